// SPDX-License-Identifier: GPL-2.0-only
//! Which function of the guest's kernel an address belongs to.

use std::collections::BTreeMap;

use anyhow::{ensure, Context, Result};

use super::plugin::Window;

/// A function of the kernel's image or of a module.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Function {
    /// The module, or "vmlinux".
    pub module: String,
    /// Its name as the kernel has it.
    pub name: String,
}

/// What was executed of one function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Executed {
    /// Instructions.
    pub instructions: u64,
    /// How often it was entered.
    pub entries: u64,
}

/// The kernel's functions by their addresses.
pub struct Symbols(BTreeMap<u64, Function>);

impl Symbols {
    /// Reads `/proc/kallsyms`. Of several names at one address the first that is not of the compiler's making stays.
    pub fn parse(text: &str) -> Result<Self> {
        let mut functions = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some(address), Some(kind), Some(name)) =
                (words.next(), words.next(), words.next())
            else {
                continue;
            };
            if !matches!(kind, "t" | "T" | "w" | "W") || name.starts_with("__pfx_") {
                continue;
            }
            let module = words
                .next()
                .map_or("vmlinux", |word| word.trim_matches(['[', ']']));
            let address = u64::from_str_radix(address, 16).context("a symbol's address")?;
            functions.entry(address).or_insert(Function {
                module: module.to_owned(),
                name: name.to_owned(),
            });
        }
        // That is what all addresses are when the kernel does not show them.
        functions.remove(&0);
        ensure!(
            !functions.is_empty(),
            "the kernel does not show its symbols"
        );
        Ok(Symbols(functions))
    }

    /// The function that an address lies in or behind.
    fn find(&self, address: u64) -> Option<(u64, &Function)> {
        self.0
            .range(..=address)
            .next_back()
            .map(|(start, function)| (*start, function))
    }

    /// What a window has of each function.
    pub fn attribute(&self, window: &Window) -> BTreeMap<Function, Executed> {
        let mut functions: BTreeMap<Function, Executed> = BTreeMap::new();
        for (address, (executed, entered)) in &window.cells {
            let Some((start, function)) = self.find(*address) else {
                continue;
            };
            let of = functions.entry(function.clone()).or_default();
            of.instructions += executed;
            if start == *address {
                of.entries += entered;
            }
        }
        functions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KALLSYMS: &str = "ffffffff81000000 T _text\nffffffff81000010 t __pfx_early\n\
        ffffffff81000020 T early\nffffffff81000020 T __early\nffffffff81000060 D data\n\
        ffffffffc0400000 t submit\t[xen_vbd]\n";

    fn function(module: &str, name: &str) -> Function {
        Function {
            module: module.to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn cells_are_summed_up_by_function() {
        let symbols = Symbols::parse(KALLSYMS).unwrap();
        let mut window = Window::default();
        let cells = [
            (0xffff_ffff_8100_0020, 7, 2),
            (0xffff_ffff_8100_0030, 4, 2),
            (0xffff_ffff_c040_0010, 5, 1),
        ];
        for (address, executed, entered) in cells {
            window.cells.insert(address, (executed, entered));
        }
        let functions = symbols.attribute(&window);
        assert_eq!(functions.len(), 2);
        let early = functions[&function("vmlinux", "early")];
        assert_eq!((early.instructions, early.entries), (11, 2));
        // It was not entered: its first instruction was not executed.
        let submit = functions[&function("xen_vbd", "submit")];
        assert_eq!((submit.instructions, submit.entries), (5, 0));
    }

    #[test]
    fn a_kernel_that_hides_its_symbols_is_told() {
        assert!(Symbols::parse("0000000000000000 T _text\n0000000000000000 T early\n").is_err());
        assert!(Symbols::parse("").is_err());
    }
}
