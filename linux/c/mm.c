// SPDX-License-Identifier: GPL-2.0-only
/* Pages: what is inline in C or a macro. See linux/src/page.rs. */
#include <linux/io.h>
#include <linux/mm.h>

#include "xenpv.h"

void xenpv_pages_free(void *pages)
{
	put_page(virt_to_page(pages));
}

u64 xenpv_pages_pfn(const void *pages)
{
	return virt_to_phys((void *)pages) >> PAGE_SHIFT;
}
