// SPDX-License-Identifier: GPL-2.0-only
//! `/sys/hypervisor`: what the files say, and that they say nothing when Xen does not answer.
use std::fmt;

use fake_xen::{Call, FakeXen};
use platform_core::hypervisor::{print, Failure, File};
use xen_sys::XenError;

/// Each file, the hypercall it needs, and what it says then.
const FILES: [(File, Option<Call>, &str); 15] = [
    (File::Type, None, "xen\n"),
    (File::GuestType, None, "HVM\n"),
    (
        File::Uuid,
        Some(Call::DomainHandle),
        "2a2a2a2a-2a2a-2a2a-2a2a-2a2a2a2a2a2a\n",
    ),
    (File::VersionMajor, Some(Call::Version), "4\n"),
    (File::VersionMinor, Some(Call::Version), "20\n"),
    (File::VersionExtra, Some(Call::ExtraVersion), ".1-fake\n"),
    (File::Compiler, Some(Call::CompileInfo), "rustc\n"),
    (File::CompiledBy, Some(Call::CompileInfo), "somebody\n"),
    (
        File::CompileDate,
        Some(Call::CompileInfo),
        "Thu Nov 26 2026\n",
    ),
    (File::Capabilities, Some(Call::Capabilities), ""),
    (
        File::Changeset,
        Some(Call::Changeset),
        "line one?line two\n",
    ),
    (
        File::VirtualStart,
        Some(Call::VirtualStart),
        "ffff800000000000\n",
    ),
    (File::PageSize, Some(Call::PageSize), "1000\n"),
    (File::Features, Some(Call::Features), "00000705\n"),
    (
        File::BuildId,
        Some(Call::BuildId),
        "b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1\n",
    ),
];

/// The numbers are C's: see there for the names.
#[test]
fn each_file_has_the_number_that_the_header_gives_it() {
    let header = include_str!("../../../linux/c/xenpv.h");
    let names = header
        .split_once("enum xenpv_hypervisor_file {")
        .and_then(|(_, rest)| rest.split_once('}'))
        .map(|(names, _)| names.split(',').map(str::trim))
        .expect("the header has the enum");
    let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
    assert_eq!(names.len(), FILES.len());
    for (number, name) in names.into_iter().enumerate() {
        let file = File::from_number(number as u32).expect("a file for each number");
        assert_eq!(file, FILES[number].0);
        // VersionMajor is …_MAJOR there, and so on.
        let word = name.rsplit("HYPERVISOR_").next().unwrap().replace('_', "");
        let ours = format!("{file:?}").to_uppercase();
        assert!(ours.ends_with(&word), "{name} is not {file:?}");
    }
    assert_eq!(File::from_number(FILES.len() as u32), None);
}

#[test]
fn each_file_says_what_xen_says() {
    let xen = FakeXen::new(1, 0);
    for (file, _, says) in FILES {
        let mut out = String::new();
        print(file, &*xen, &mut out).unwrap();
        if file == File::Capabilities {
            assert_eq!(out, "c".repeat(1024) + "\n");
        } else {
            assert_eq!(out, says, "{file:?}");
        }
    }
}

#[test]
fn a_file_tells_why_xen_does_not_answer() {
    let xen = FakeXen::new(1, 0);
    for (file, call, says) in FILES {
        let Some(call) = call else { continue };
        for error in [XenError::ENOSYS, XenError::EFAULT, XenError::EPERM] {
            xen.faults().fail_all(call, error);
            let mut out = String::new();
            let result = print(file, &*xen, &mut out);
            xen.faults().heal();
            if (file, error) == (File::BuildId, XenError::EPERM) {
                assert_eq!((result, &*out), (Ok(()), "<denied>\n"));
            } else {
                assert_eq!((result, &*out), (Err(Failure::Xen(error)), ""), "{file:?}");
            }
        }
        let mut out = String::new();
        print(file, &*xen, &mut out).unwrap();
        assert!(out.ends_with('\n') && out.contains(says), "{file:?}");
    }
}

/// Room for some bytes.
struct Small(usize);

impl fmt::Write for Small {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.checked_sub(text.len()).ok_or(fmt::Error)?;
        Ok(())
    }
}

#[test]
fn an_answer_that_does_not_fit_is_an_error() {
    let xen = FakeXen::new(1, 0);
    for (file, ..) in FILES {
        assert_eq!(
            print(file, &*xen, &mut Small(1)),
            Err(Failure::NoRoom),
            "{file:?}"
        );
    }
}
