//! Memory for the module: small blocks come from lists of freed ones, one list for each size, and go back
//! there. A request makes some dozens of them, and the standard allocator of WebAssembly takes several times
//! as long for each.
//!
//! What was once a small block stays one: of each size there are as many as were ever in use at a time. So
//! what small blocks take in all is bounded by the sum of these peaks, not by the peak of their sum.

#![allow(unsafe_code, reason = "an allocator hands out raw memory")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr::{NonNull, null_mut};

/// Sizes are rounded up to a multiple of this.
const GRAIN: usize = 16;
/// Larger blocks are the standard allocator's.
const LARGEST: usize = 1024;

/// The lists. A freed block's first bytes point to the next one.
pub struct Lists([UnsafeCell<*mut Block>; LARGEST / GRAIN]);

struct Block {
    next: *mut Block,
}

// SAFETY: a proxy-wasm module has one thread.
unsafe impl Sync for Lists {}

impl Lists {
    /// Nothing has been freed yet.
    pub const fn empty() -> Self {
        Self([const { UnsafeCell::new(null_mut()) }; LARGEST / GRAIN])
    }

    /// The list of a layout, and what its blocks are in the standard allocator's eyes.
    fn of(&self, layout: Layout) -> Option<(&UnsafeCell<*mut Block>, Layout)> {
        if layout.align() > GRAIN || layout.size() == 0 {
            return None;
        }
        let at = (layout.size() - 1) / GRAIN;
        let block = Layout::from_size_align((at + 1) * GRAIN, GRAIN).ok()?;
        Some((self.0.get(at)?, block))
    }
}

// SAFETY: a block that is handed out has the size and alignment of its list, which are at least the layout's,
// and is in no list until it is freed; the layout that frees it leads to the same list.
unsafe impl GlobalAlloc for Lists {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((list, block)) = self.of(layout) else {
            // SAFETY: the caller's promises are the standard allocator's.
            return unsafe { System.alloc(layout) };
        };
        // SAFETY: there is one thread, and no reference into the cell outlives a statement; what is in a
        // list is a block that nobody has.
        unsafe {
            match NonNull::new(*list.get()) {
                Some(head) => {
                    *list.get() = head.as_ref().next;
                    head.as_ptr().cast()
                }
                None => System.alloc(block),
            }
        }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let Some((list, _)) = self.of(layout) else {
            // SAFETY: it came from there.
            return unsafe { System.dealloc(memory, layout) };
        };
        #[expect(clippy::cast_ptr_alignment, reason = "blocks of the lists are aligned to 16 bytes")]
        let block = memory.cast::<Block>();
        // SAFETY: as above; the block is large enough for a pointer, and the caller has given it up.
        unsafe {
            block.write(Block { next: *list.get() });
            *list.get() = block;
        }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Ok(new) = Layout::from_size_align(size, layout.align()) else { return null_mut() };
        match (self.of(layout), self.of(new)) {
            // It fits where it is.
            (Some((_, old)), Some((_, wanted))) if old == wanted => memory,
            // SAFETY: both are the standard allocator's.
            (None, None) => unsafe { System.realloc(memory, layout, size) },
            _ => {
                // SAFETY: the new block is another one, and both hold what is copied.
                unsafe {
                    let moved = self.alloc(new);
                    if !moved.is_null() {
                        moved.copy_from_nonoverlapping(memory, layout.size().min(size));
                        self.dealloc(memory, layout);
                    }
                    moved
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of all sizes, made, grown, shrunk and freed in an order that only looks random: each keeps its
    /// bytes, and none lies in another.
    #[test]
    fn blocks_keep_their_bytes_and_never_overlap() {
        let lists = Lists::empty();
        let layout = |size: usize, align: usize| Layout::from_size_align(size, align).unwrap();
        let mut held: Vec<(*mut u8, Layout, u8)> = Vec::new();
        let mut random = 1u64;
        let mut next = |below: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(random >> 33).unwrap() % below
        };
        for step in 0..20_000u32 {
            let mark = (step % 251) as u8;
            match next(3) {
                0 if held.len() > 3 => {
                    let (memory, layout, _) = held.swap_remove(next(held.len()));
                    // SAFETY: it came from these lists with this layout.
                    unsafe { lists.dealloc(memory, layout) };
                }
                1 if !held.is_empty() => {
                    let at = next(held.len());
                    let (memory, old, mark) = held[at];
                    let new = layout(1 + next(2 * LARGEST), old.align());
                    // SAFETY: as above; what is written lies within the block.
                    let moved = unsafe { lists.realloc(memory, old, new.size()) };
                    let kept = unsafe { std::slice::from_raw_parts(moved, old.size().min(new.size())) };
                    assert!(kept.iter().all(|byte| *byte == mark));
                    unsafe { moved.write_bytes(mark, new.size()) };
                    held[at] = (moved, new, mark);
                }
                _ => {
                    let layout = layout(1 + next(2 * LARGEST), 1 << next(6));
                    // SAFETY: the size isn't zero; what is written lies within the block.
                    let memory = unsafe { lists.alloc(layout) };
                    assert_eq!(memory as usize % layout.align(), 0);
                    unsafe { memory.write_bytes(mark, layout.size()) };
                    held.push((memory, layout, mark));
                }
            }
        }
        for (memory, layout, mark) in held {
            // SAFETY: as above.
            let bytes = unsafe { std::slice::from_raw_parts(memory, layout.size()) };
            assert!(bytes.iter().all(|byte| *byte == mark));
            unsafe { lists.dealloc(memory, layout) };
        }
    }

    #[test]
    fn a_freed_block_is_the_next_of_its_size() {
        let lists = Lists::empty();
        let layout = Layout::from_size_align(40, 8).unwrap();
        // SAFETY: each block is freed once, with its layout.
        unsafe {
            let first = lists.alloc(layout);
            lists.dealloc(first, layout);
            let again = lists.alloc(Layout::from_size_align(33, 1).unwrap());
            assert_eq!(first, again);
            lists.dealloc(again, layout);
        }
    }
}
