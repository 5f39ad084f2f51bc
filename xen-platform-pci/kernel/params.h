/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef XENPV_PARAMS_H
#define XENPV_PARAMS_H

const char *xenpv_param_hypercall(void);
const char *xenpv_param_upcall(void);

#endif
