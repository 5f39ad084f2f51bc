/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every file of the C side needs: Xen's headers, and Linux's barriers
 * for a guest on x86_64 (virt_mb, virt_wmb, virt_rmb): only a store that a
 * later load must not pass costs an instruction.
 */
#ifndef MICRO_COMMON_H
#define MICRO_COMMON_H

#define __XEN_INTERFACE_VERSION__ __XEN_LATEST_INTERFACE_VERSION__
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <xen/xen.h>

#define barrier()	__asm__ __volatile__("" ::: "memory")
#define xen_mb()	__asm__ __volatile__("lock; addl $0,-4(%%rsp)" ::: "memory", "cc")
#define xen_wmb()	barrier()
#define xen_rmb()	barrier()

#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value)	(*(volatile __typeof__(x) *)&(x) = (value))

/* A function of its own in every build: in the kernel it is one that others call. */
#define CALLED	__attribute__((noinline))

/* Everything of `value` is needed, in memory: no part of a copy is left out because nobody looks at it. */
#define WHOLE(value)	__asm__ __volatile__("" :: "m"(value))

/* What a timed function returns when something has failed. */
#define FAILED	UINT64_MAX

#endif
