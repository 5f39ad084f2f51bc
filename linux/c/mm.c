// SPDX-License-Identifier: GPL-2.0-only
/* Pages: what is inline in C or a macro. See linux/src/page.rs. */
#include <linux/io.h>
#include <linux/mm.h>

#include "xenpv.h"

static atomic_long_t xenpv_pages_count;

/* Compound, so that the pages know their order and one pointer is enough to free them. */
void *xenpv_pages_alloc(gfp_t gfp, unsigned int order)
{
	struct page *page = alloc_pages(gfp | __GFP_ZERO | __GFP_COMP, order);

	if (!page)
		return NULL;
	atomic_long_inc(&xenpv_pages_count);
	return page_address(page);
}

void xenpv_pages_free(void *pages)
{
	atomic_long_dec(&xenpv_pages_count);
	put_page(virt_to_page(pages));
}

/* The pages have another owner now, who frees them by put_page(). */
void xenpv_pages_hand_over(void *pages)
{
	atomic_long_dec(&xenpv_pages_count);
}

u64 xenpv_pages_live(void)
{
	return atomic_long_read(&xenpv_pages_count);
}

/* Whether anybody but the owner refers to the page: a process that has it mapped, or I/O to or from it. */
bool xenpv_pages_shared(const void *pages)
{
	return page_count(virt_to_page(pages)) > 1;
}

u64 xenpv_pages_pfn(const void *pages)
{
	return virt_to_phys((void *)pages) >> PAGE_SHIFT;
}
