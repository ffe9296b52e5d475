//! RSAVP1 (RFC 8017 §5.2.2): a public key and a signature in, the message that it stands for out. Montgomery's multiplication, with limbs of 32 bits,
//! since WebAssembly has no product wider than 64. All of it is public, so nothing takes constant time.

use std::cell::Cell;
use std::ops::RangeInclusive;

/// What [`RsaKey::from_base64url`](crate::jwks::RsaKey::from_base64url) lets in. Asked again here, since they bound the work: 68 products of 256 limbs.
const MODULUS_BITS: RangeInclusive<usize> = 2048..=8192;
const EXPONENTS: RangeInclusive<u32> = 65_537..=u32::MAX;

const LIMB: usize = u32::BITS as usize;
const LOW: u64 = u32::MAX as u64;

/// A public key. Numbers are limbs, the lowest first, as many as the modulus has.
#[derive(Debug)]
pub struct PublicKey {
    n: Vec<u32>,
    /// Length of the modulus in bits.
    bits: usize,
    /// -1/n modulo 2^32.
    inverse: u32,
    e: u32,
}

impl PublicKey {
    /// A key from modulus and exponent, big-endian, without leading zeros. None where one of them is even
    /// or out of range.
    pub fn new(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let first = modulus.first().filter(|byte| **byte != 0)?;
        let bits = modulus.len() * 8 - first.leading_zeros() as usize;
        let e = exponent.iter().try_fold(0u32, |e, byte| Some(e.checked_mul(256)? | u32::from(*byte)))?;
        if !MODULUS_BITS.contains(&bits) || !EXPONENTS.contains(&e) || e & 1 == 0 {
            return None;
        }
        let n = limbs(modulus);
        let low = n.first().copied().filter(|limb| limb & 1 == 1)?;
        // Newton's step doubles the bits that are right. An odd number is its own inverse modulo 2^3: 3, 6, 12, 24, 48.
        let inverse = (0..4).fold(low, |x, _| x.wrapping_mul(2u32.wrapping_sub(low.wrapping_mul(x))));
        Some(Self { n, bits, inverse: inverse.wrapping_neg(), e })
    }

    /// The signature to the power of the exponent, as long as the modulus. None where the signature is longer, shorter, or not under the modulus.
    pub fn open(&self, signature: &[u8]) -> Option<Vec<u8>> {
        let length = self.bits.div_ceil(8);
        if signature.len() != length {
            return None;
        }
        let s = limbs(signature);
        if !less(&s, &self.n) {
            return None;
        }
        // A product loses one R = 2^(32 · limbs): two factors that carry one keep it. The exponent is odd, so that the last product is
        // by the signature itself, and has lost it.
        let scaled = self.product(&s, &self.r_squared());
        let mut power = scaled.clone();
        for bit in (0..self.e.ilog2()).rev() {
            power = self.product(&power, &power);
            if self.e >> bit & 1 == 1 {
                power = self.product(&power, if bit == 0 { &s } else { &scaled });
            }
        }
        let bytes = power.iter().rev().flat_map(|limb| limb.to_be_bytes());
        Some(bytes.skip(power.len() * 4 - length).collect())
    }

    /// R² modulo n.
    fn r_squared(&self) -> Vec<u32> {
        let length = self.n.len();
        // The highest power of two under n, doubled to 2^limbs · R.
        let mut x = vec![0; length];
        if let Some(top) = x.last_mut() {
            *top = 1 << ((self.bits - 1) % LIMB);
        }
        for _ in self.bits - 1..length * LIMB + length {
            self.double(&mut x);
        }
        // Five squarings make 2^(32 · limbs) · R of it.
        for _ in 0..LIMB.ilog2() {
            x = self.product(&x, &x);
        }
        x
    }

    fn double(&self, x: &mut [u32]) {
        let mut carry = 0;
        for limb in &mut *x {
            let top = *limb >> (LIMB - 1);
            *limb = *limb << 1 | carry;
            carry = top;
        }
        self.reduce(x, carry);
    }

    /// x · y / R modulo n, of two numbers under n.
    fn product(&self, x: &[u32], y: &[u32]) -> Vec<u32> {
        let mut sum = vec![0; self.n.len()];
        let mut carry = 0;
        for x in x {
            carry = self.add_row(&mut sum, carry, *x, y);
        }
        self.reduce(&mut sum, carry);
        sum
    }

    /// Adds x · y, then the multiple of n that makes the lowest limb zero, and drops that limb. What is beyond the highest limb goes in and out as the
    /// carry, 0 or 1, since the sum stays under 2n. No step overflows: (2^32 - 1)² + 2 · (2^32 - 1) is 2^64 - 1.
    #[inline]
    fn add_row(&self, sum: &mut [u32], carry: u32, x: u32, y: &[u32]) -> u32 {
        let sum = Cell::from_mut(sum).as_slice_of_cells();
        let (Some((s0, rest)), Some((y0, y)), Some((n0, n))) =
            (sum.split_first(), y.split_first(), self.n.split_first())
        else {
            return 0;
        };
        let mut a = u64::from(x) * u64::from(*y0) + u64::from(s0.get());
        let q = (a as u32).wrapping_mul(self.inverse);
        let mut b = u64::from(q) * u64::from(*n0) + (a & LOW);
        for (((from, to), y), n) in rest.iter().zip(sum).zip(y).zip(n) {
            a = u64::from(x) * u64::from(*y) + u64::from(from.get()) + (a >> LIMB);
            b = u64::from(q) * u64::from(*n) + (a & LOW) + (b >> LIMB);
            to.set(b as u32);
        }
        let top = (a >> LIMB) + (b >> LIMB) + u64::from(carry);
        if let Some(last) = sum.last() {
            last.set(top as u32);
        }
        (top >> LIMB) as u32
    }

    /// `x` with its carry, together under 2n, modulo n.
    fn reduce(&self, x: &mut [u32], carry: u32) {
        if carry == 0 && less(x, &self.n) {
            return;
        }
        let mut borrow = false;
        for (x, n) in x.iter_mut().zip(&self.n) {
            let (difference, first) = x.overflowing_sub(*n);
            let (difference, second) = difference.overflowing_sub(u32::from(borrow));
            (*x, borrow) = (difference, first || second);
        }
    }
}

fn less(x: &[u32], y: &[u32]) -> bool {
    x.iter().rev().lt(y.iter().rev())
}

fn limbs(bytes: &[u8]) -> Vec<u32> {
    bytes.rchunks(4).map(|limb| limb.iter().fold(0, |limb, byte| limb << 8 | u32::from(*byte))).collect()
}
