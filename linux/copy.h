/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef XENPV_LINUX_COPY_H
#define XENPV_LINUX_COPY_H

#include <asm/page.h>
#include <linux/string.h>

/*
 * Copies as the kernel does it best: copy_page() uses string instructions wherever they are good, memcpy() on the newest
 * processors only. Another domain may change the bytes meanwhile; each is read once.
 */
static inline void xenpv_copy(void *into, const void *from, size_t len)
{
	if (len == PAGE_SIZE)
		copy_page(into, (void *)from);
	else
		memcpy(into, from, len);
}

#endif
