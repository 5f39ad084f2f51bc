/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What bindgen reads to make src/generated.rs (see the script regenerate).
 * Constants below are the headers' own macros in a form that bindgen can
 * evaluate: it drops every macro which calls another one.
 */
#define __XEN_INTERFACE_VERSION__ __XEN_LATEST_INTERFACE_VERSION__
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/errno.h>
#include <xen/version.h>
#include <xen/features.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/arch-x86/cpuid.h>
#include <xen/hvm/params.h>
#include <xen/hvm/hvm_op.h>
#include <xen/io/ring.h>
#include <xen/io/console.h>
#include <xen/io/xenbus.h>
#include <xen/io/xs_wire.h>
#include <xen/io/blkif.h>
#include <xen/io/netif.h>

static const domid_t XENPV_DOMID_SELF = DOMID_SELF;
static const domid_t XENPV_DOMID_FIRST_RESERVED = DOMID_FIRST_RESERVED;
static const uint32_t XENPV_EVTCHN_2L_NR_CHANNELS = EVTCHN_2L_NR_CHANNELS;
static const uint32_t XENPV_EVTCHN_FIFO_NR_CHANNELS = EVTCHN_FIFO_NR_CHANNELS;
