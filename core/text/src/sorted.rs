//! Lists in order, and lists of texts that are sets.

/// In order.
pub fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list
}

/// Texts in order, each once.
pub fn unique(list: &[String]) -> Vec<String> {
    let mut texts = list.to_vec();
    texts.sort_unstable();
    texts.dedup();
    texts
}

/// Texts in order, each with its place in the list; the same ones in the list's order.
pub fn places(list: Vec<&str>) -> Vec<(&str, usize)> {
    sorted(list.into_iter().zip(0..).collect())
}
