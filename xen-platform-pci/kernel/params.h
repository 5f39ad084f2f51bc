/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef XENPV_PARAMS_H
#define XENPV_PARAMS_H

#include <linux/types.h>

const char *xenpv_param_hypercall(void);
const char *xenpv_param_upcall(void);
const char *xenpv_param_events(void);
const char *xenpv_param_unplug(void);
bool xenpv_param_unplug_force(void);
unsigned int xenpv_param_gntalloc_limit(void);
unsigned int xenpv_param_gntdev_limit(void);
unsigned int xenpv_param_grant_quota(void);
const char *xenpv_param_grant_version(void);

#endif
