// SPDX-License-Identifier: GPL-2.0-only
//! The tree that xenstored keeps.
use std::collections::BTreeMap;

use xenbus::errors::StoreError;

/// Result of an operation on the tree.
pub(crate) type Result<T = ()> = core::result::Result<T, StoreError>;

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    value: Vec<u8>,
    perms: Vec<u8>,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            value: Vec::new(),
            perms: b"n0\0".to_vec(),
        }
    }
}

/// Nodes by absolute path. The root is always there and has the path `/`.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    nodes: BTreeMap<Vec<u8>, Node>,
    /// Changed by every write: how a transaction sees that it met another's.
    pub(crate) generation: u64,
}

/// The path one level up, `None` for the root.
fn parent(path: &[u8]) -> Option<&[u8]> {
    let slash = path.iter().rposition(|&byte| byte == b'/')?;
    match (slash, path.len()) {
        (0, 1) => None,
        (0, _) => Some(b"/"),
        _ => path.get(..slash),
    }
}

/// Whether `path` is `top` or below it.
pub(crate) fn is_within(path: &[u8], top: &[u8]) -> bool {
    match path.strip_prefix(top) {
        Some(rest) => rest.is_empty() || rest.first() == Some(&b'/') || top == b"/",
        None => false,
    }
}

impl Tree {
    fn exists(&self, path: &[u8]) -> bool {
        path == b"/" || self.nodes.contains_key(path)
    }

    /// A node's value.
    pub fn read(&self, path: &[u8]) -> Option<&[u8]> {
        self.nodes.get(path).map(|node| &node.value[..])
    }

    pub(crate) fn read_node(&self, path: &[u8]) -> Result<&[u8]> {
        match path {
            b"/" => Ok(b""),
            _ => self.read(path).ok_or(StoreError::NotFound),
        }
    }

    /// Makes a node and those above it.
    pub(crate) fn mkdir(&mut self, path: &[u8]) {
        let mut next = Some(path);
        while let Some(path) = next.filter(|path| !self.exists(path)) {
            self.nodes.insert(path.to_vec(), Node::default());
            self.generation += 1;
            next = parent(path);
        }
    }

    /// Sets a node's value; makes the node and those above it.
    pub fn write(&mut self, path: &[u8], value: &[u8]) {
        self.mkdir(path);
        if let Some(node) = self.nodes.get_mut(path) {
            node.value = value.to_vec();
            self.generation += 1;
        }
    }

    /// Removes a node and what is below.
    pub(crate) fn rm(&mut self, path: &[u8]) -> Result {
        let above = parent(path).ok_or(StoreError::Invalid)?;
        if !self.exists(path) {
            // As xenstored does: not there is as good as removed, if there could have been one.
            return match self.exists(above) {
                true => Ok(()),
                false => Err(StoreError::NotFound),
            };
        }
        self.nodes.retain(|node, _| !is_within(node, path));
        self.generation += 1;
        Ok(())
    }

    /// The names of a node's children, each with a NUL.
    pub(crate) fn directory(&self, path: &[u8]) -> Result<Vec<u8>> {
        if !self.exists(path) {
            return Err(StoreError::NotFound);
        }
        let mut names = Vec::new();
        for node in self.nodes.keys().filter(|node| parent(node) == Some(path)) {
            let name = node.rsplit(|&byte| byte == b'/').next().unwrap_or(node);
            names.extend_from_slice(name);
            names.push(0);
        }
        Ok(names)
    }

    pub(crate) fn perms(&self, path: &[u8]) -> Result<Vec<u8>> {
        let node = self.nodes.get(path).ok_or(StoreError::NotFound)?;
        Ok(node.perms.clone())
    }

    pub(crate) fn set_perms(&mut self, path: &[u8], perms: &[u8]) -> Result {
        let node = self.nodes.get_mut(path).ok_or(StoreError::NotFound)?;
        node.perms = perms.to_vec();
        self.generation += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_come_and_go() {
        let mut tree = Tree::default();
        tree.write(b"/a/b/c", b"1");
        assert_eq!(tree.read(b"/a/b"), Some(&b""[..]));
        tree.write(b"/a/bb", b"2");
        assert_eq!(tree.directory(b"/a"), Ok(b"b\0bb\0".to_vec()));
        assert_eq!(tree.directory(b"/"), Ok(b"a\0".to_vec()));
        assert_eq!(tree.rm(b"/a/b"), Ok(()));
        assert_eq!(tree.read(b"/a/b/c"), None);
        assert_eq!(tree.read(b"/a/bb"), Some(&b"2"[..]));
        assert_eq!(tree.rm(b"/a/nothing"), Ok(()));
        assert_eq!(tree.rm(b"/x/y"), Err(StoreError::NotFound));
        assert_eq!(tree.rm(b"/"), Err(StoreError::Invalid));
    }

    #[test]
    fn within() {
        assert!(is_within(b"/a/b", b"/a"));
        assert!(is_within(b"/a", b"/a"));
        assert!(is_within(b"/a", b"/"));
        assert!(!is_within(b"/ab", b"/a"));
        assert!(!is_within(b"/a", b"/a/b"));
    }
}
