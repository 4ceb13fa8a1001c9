//! Merkle trees of RFC 9162 shape (section 2.1), with BLAKE3 and different domains for leaves and inner nodes: over the records of a
//! batch ([R2]), and over the logs that a seal's state commits to ([H1]).

use serde::{Deserialize, Serialize};

use crate::base::digest::{Digest, MERKLE_LEAF, MERKLE_NODE};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The hash of a leaf that stands for `bytes`.
pub fn leaf(bytes: &[u8]) -> Digest {
    Digest::from_bytes(MERKLE_LEAF.hash(bytes))
}

fn node(left: &Digest, right: &Digest) -> Digest {
    let mut pair = [0; 64];
    pair[..32].copy_from_slice(left.as_bytes());
    pair[32..].copy_from_slice(right.as_bytes());
    Digest::from_bytes(MERKLE_NODE.hash(&pair))
}

/// A tree over leaf hashes, kept level by level. Costs two hashes per leaf to build.
#[derive(Debug, Clone)]
pub struct Tree {
    levels: Vec<Vec<Digest>>,
    /// The number of leaves.
    size: usize,
}

impl Tree {
    /// Builds the tree. The root of a tree without leaves is the leaf hash of the empty string.
    pub fn new(leaves: Vec<Digest>) -> Self {
        let size = leaves.len();
        let mut levels = vec![if leaves.is_empty() {
            vec![leaf(&[])]
        } else {
            leaves
        }];
        while let Some(last) = levels.last().filter(|level| level.len() > 1) {
            // An odd node at the end moves up unchanged, which gives the shape of RFC 9162.
            let next = last
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => node(left, right),
                    rest => rest[0],
                })
                .collect();
            levels.push(next);
        }
        Self { levels, size }
    }

    /// The leaf hashes; of a tree without leaves, none.
    pub fn leaves(&self) -> &[Digest] {
        &self.levels[0][..self.size]
    }

    /// The root hash.
    pub fn root(&self) -> Digest {
        self.levels[self.levels.len() - 1][0]
    }

    /// The inclusion path of the leaf at `index`, from the leaf upwards (RFC 9162, section 2.1.3.1).
    pub fn path(&self, index: usize) -> Vec<Digest> {
        let mut position = index;
        let mut path = Vec::new();
        for level in &self.levels[..self.levels.len() - 1] {
            if let Some(sibling) = level.get(position ^ 1) {
                path.push(*sibling);
            }
            position /= 2;
        }
        path
    }
}

/// A tree that only grows, as the roots of its complete subtrees: enough to append leaves and to know the root. Its size is logarithmic in
/// the number of leaves; an appended leaf costs two hashes on average, the root as many as there are subtrees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frontier {
    /// The number of leaves.
    pub size: u64,
    /// The roots of the complete subtrees, the largest first: one for each one in the binary form of `size`.
    pub roots: Vec<Digest>,
}

impl Frontier {
    /// Appends a leaf.
    pub fn push(&mut self, leaf: Digest) {
        let mut hash = leaf;
        // Two subtrees of one height make one of the next.
        for _ in 0..self.size.trailing_ones() {
            let left = self
                .roots
                .pop()
                .expect("a subtree for each one in the size");
            hash = node(&left, &hash);
        }
        self.roots.push(hash);
        self.size += 1;
    }

    /// The root of the tree over all leaves so far.
    pub fn root(&self) -> Digest {
        let mut roots = self.roots.iter().rev();
        let last = roots.next().copied();
        last.map_or_else(
            || leaf(&[]),
            |last| roots.fold(last, |right, left| node(left, &right)),
        )
    }
}

/// The number of hashes in the path of leaf `index` of a tree of `size` leaves.
pub fn path_length(index: u64, size: u64) -> usize {
    let (mut position, mut last, mut length) = (index, size.saturating_sub(1), 0);
    while last > 0 {
        // Only the last node of a level can be without a sibling.
        if position % 2 == 1 || position < last {
            length += 1;
        }
        position /= 2;
        last /= 2;
    }
    length
}

/// The root that `leaf` at `index` of a tree of `size` leaves leads to along `path`. `None` if the path does not have
/// the length that index and size require (RFC 9162, section 2.1.3.2).
pub fn root_of(leaf: Digest, index: u64, size: u64, path: &[Digest]) -> Option<Digest> {
    if index >= size || path.len() != path_length(index, size) {
        return None;
    }
    let (mut position, mut last, mut hash) = (index, size - 1, leaf);
    let mut siblings = path.iter();
    while last > 0 {
        if position % 2 == 1 {
            hash = node(siblings.next()?, &hash);
        } else if position < last {
            hash = node(&hash, siblings.next()?);
        }
        position /= 2;
        last /= 2;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(size: u64) -> Vec<Digest> {
        (0..size).map(|i| leaf(&i.to_le_bytes())).collect()
    }

    /// The recursive definition of RFC 9162, section 2.1.1.
    fn defined_root(leaves: &[Digest]) -> Digest {
        if let [only] = leaves {
            return *only;
        }
        let split = leaves.len().next_power_of_two() / 2;
        node(
            &defined_root(&leaves[..split]),
            &defined_root(&leaves[split..]),
        )
    }

    #[test]
    fn every_leaf_of_every_small_tree_is_proved() {
        for size in 1..=70 {
            let hashes = leaves(size);
            let tree = Tree::new(hashes.clone());
            assert_eq!(tree.root(), defined_root(&hashes), "{size}");
            for (index, leaf) in (0..).zip(&hashes) {
                let path = tree.path(usize::try_from(index).unwrap());
                assert_eq!(root_of(*leaf, index, size, &path), Some(tree.root()));
                assert_eq!(root_of(*leaf, size, size, &path), None, "index too large");
                if size > 1 {
                    assert_eq!(root_of(*leaf, index, size, &path[1..]), None, "short path");
                    assert_ne!(
                        root_of(*leaf, (index + 1) % size, size, &path),
                        Some(tree.root()),
                        "wrong place"
                    );
                }
            }
        }
    }

    #[test]
    fn a_growing_tree_has_the_root_of_its_leaves() {
        let mut frontier = Frontier::default();
        assert_eq!(frontier.root(), Tree::new(Vec::new()).root());
        for (size, hash) in (1..).zip(leaves(130)) {
            frontier.push(hash);
            let whole = Tree::new(leaves(size));
            assert_eq!((frontier.size, frontier.root()), (size, whole.root()));
            assert_eq!(frontier.roots.len(), size.count_ones() as usize, "{size}");
        }
    }
}
