// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exports the pure crates, the services and the C shims to the user modules: one EXPORT_SYMBOL_GPL for each global
 * symbol of their objects, and the symbol whose name says which build of them this is (see scripts/generated.mk).
 */
#include <linux/export.h>

#include "abi_generated.h"

extern const int XENPV_ABI;
const int XENPV_ABI = 1;
EXPORT_SYMBOL_GPL(XENPV_ABI);

#define EXPORT_SYMBOL_XENPV(sym) extern int sym; EXPORT_SYMBOL_GPL(sym)
#include "exports_generated.h"
