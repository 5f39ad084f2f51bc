// SPDX-License-Identifier: GPL-2.0-only
//! What the CPUID leaves of Xen say (`xen/include/public/arch-x86/cpuid.h`).
use crate::generated as sys;
use crate::{Domid, VcpuId};

/// The four registers of a CPUID leaf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leaf {
    /// EAX.
    pub eax: u32,
    /// EBX.
    pub ebx: u32,
    /// ECX.
    pub ecx: u32,
    /// EDX.
    pub edx: u32,
}

/// Where Xen's leaves begin, if nobody else's are before them.
pub const FIRST_LEAF: u32 = sys::XEN_CPUID_FIRST_LEAF;
/// How far apart hypervisors' leaves are.
pub const STRIDE: u32 = 0x100;
/// How many bases may be taken: the architecture keeps 0x40000000 to 0x4000ffff for hypervisors.
pub const BASES: u32 = 0x100;

/// What Xen tells about itself and about how to call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XenLeaves {
    /// The first of Xen's leaves.
    pub base: u32,
    /// Xen's version.
    pub version: crate::Version,
    /// The MSR that takes the hypercall page's address.
    pub hypercall_msr: u32,
    /// Pages of hypercall stubs; 1 in every Xen so far.
    pub hypercall_pages: u32,
    /// Highest leaf.
    pub max_leaf: u32,
}

/// Looks for Xen's leaves; `None` off Xen. With Viridian enlightenments they are not at [`FIRST_LEAF`].
///
/// `cpuid` executes the instruction for a leaf, with sub-leaf 0.
pub fn find(cpuid: impl Fn(u32) -> Leaf) -> Option<XenLeaves> {
    let (base, max_leaf) = (0..BASES).find_map(|n| {
        let base = FIRST_LEAF + n * STRIDE;
        let leaf = cpuid(base);
        let ours = leaf.ebx == sys::XEN_CPUID_SIGNATURE_EBX
            && leaf.ecx == sys::XEN_CPUID_SIGNATURE_ECX
            && leaf.edx == sys::XEN_CPUID_SIGNATURE_EDX;
        (ours && leaf.eax >= base + 2).then_some((base, leaf.eax))
    })?;
    let calls = cpuid(base + 2);
    Some(XenLeaves {
        base,
        version: crate::Version::from_number(cpuid(base + 1).eax),
        hypercall_msr: calls.ebx,
        hypercall_pages: calls.eax,
        max_leaf,
    })
}

bitflags::bitflags! {
    /// Features for HVM guests (`XEN_HVM_CPUID_*`).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct HvmFeatures: u32 {
        /// APIC registers are virtualised.
        const APIC_ACCESS_VIRT = sys::XEN_HVM_CPUID_APIC_ACCESS_VIRT;
        /// x2APIC accesses are virtualised.
        const X2APIC_VIRT = sys::XEN_HVM_CPUID_X2APIC_VIRT;
        /// Granted frames are in the IOMMU.
        const IOMMU_MAPPINGS = sys::XEN_HVM_CPUID_IOMMU_MAPPINGS;
        /// The leaf holds this CPU's vCPU number.
        const VCPU_ID_PRESENT = sys::XEN_HVM_CPUID_VCPU_ID_PRESENT;
        /// The leaf holds the domain's number.
        const DOMID_PRESENT = sys::XEN_HVM_CPUID_DOMID_PRESENT;
        /// Interrupt destinations may have 15 bits.
        const EXT_DEST_ID = sys::XEN_HVM_CPUID_EXT_DEST_ID;
        /// Upcalls may come by a vector of each vCPU.
        const UPCALL_VECTOR = sys::XEN_HVM_CPUID_UPCALL_VECTOR;
    }
}

/// Xen's HVM leaf as the calling CPU sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HvmLeaf {
    /// What this Xen does for HVM guests.
    pub features: HvmFeatures,
    /// Xen's number of the CPU that asked, if told.
    pub vcpu: Option<VcpuId>,
    /// This domain's number, if told.
    pub domid: Option<Domid>,
}

impl XenLeaves {
    /// Reads the HVM leaf on the calling CPU. An old Xen without the leaf tells nothing.
    pub fn hvm(&self, cpuid: impl Fn(u32) -> Leaf) -> HvmLeaf {
        let number = self.base + 4;
        let leaf = if self.max_leaf >= number {
            cpuid(number)
        } else {
            Leaf::default()
        };
        let features = HvmFeatures::from_bits_retain(leaf.eax);
        HvmLeaf {
            features,
            vcpu: features
                .contains(HvmFeatures::VCPU_ID_PRESENT)
                .then_some(VcpuId(leaf.ebx)),
            domid: features
                .contains(HvmFeatures::DOMID_PRESENT)
                .then_some(Domid(leaf.ecx as u16)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Version;

    fn xen_at(base: u32, max: u32) -> impl Fn(u32) -> Leaf {
        move |leaf| match leaf.wrapping_sub(base) {
            0 => Leaf {
                eax: base + max,
                ebx: 0x566e_6558,
                ecx: 0x6558_4d4d,
                edx: 0x4d4d_566e,
            },
            1 => Leaf {
                eax: 0x0004_0014,
                ..Leaf::default()
            },
            2 => Leaf {
                eax: 1,
                ebx: 0x4000_0200,
                ..Leaf::default()
            },
            4 if max >= 4 => Leaf {
                eax: 0x5c,
                ebx: 3,
                ecx: 7,
                edx: 0,
            },
            _ => Leaf {
                eax: u32::MAX,
                ..Leaf::default()
            },
        }
    }

    #[test]
    fn base_may_move() {
        for n in [0, 1, 0xff] {
            let base = FIRST_LEAF + n * STRIDE;
            let leaves = find(xen_at(base, 5)).unwrap();
            assert_eq!(leaves.base, base);
            assert_eq!(
                leaves.version,
                Version {
                    major: 4,
                    minor: 20
                }
            );
            assert_eq!(leaves.hypercall_msr, 0x4000_0200);
            let hvm = leaves.hvm(xen_at(base, 5));
            assert_eq!(hvm.vcpu, Some(VcpuId(3)));
            assert_eq!(hvm.domid, Some(Domid(7)));
            assert!(hvm.features.contains(HvmFeatures::UPCALL_VECTOR));
        }
    }

    #[test]
    fn not_xen() {
        assert_eq!(find(|_| Leaf::default()), None);
        assert_eq!(find(xen_at(FIRST_LEAF + 0x100 * STRIDE, 5)), None);
        assert_eq!(find(xen_at(FIRST_LEAF + 1, 5)), None);
        assert_eq!(find(xen_at(FIRST_LEAF, 1)), None);
    }

    #[test]
    fn old_xen_tells_less() {
        let leaves = find(xen_at(FIRST_LEAF, 3)).unwrap();
        let hvm = leaves.hvm(|leaf| panic!("leaf {leaf:#x} is not there"));
        assert_eq!((hvm.vcpu, hvm.domid), (None, None));
        assert!(hvm.features.is_empty());
    }
}
