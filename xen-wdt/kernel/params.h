/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef XENPV_WDT_PARAMS_H
#define XENPV_WDT_PARAMS_H

#include <linux/types.h>

unsigned int xenpv_wdt_timeout(void);
bool xenpv_wdt_nowayout(void);

#endif
