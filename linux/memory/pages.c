// SPDX-License-Identifier: GPL-2.0-only
/* Pages without memory: see shim.h, and pages.rs for the rules of use. */
#include <linux/highmem.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/page-flags.h>
#include <linux/sched.h>
#include <linux/vmstat.h>

#include "shim.h"

/*
 * In page_private() of a page that is out. Together with PageOffline it says whose it is, so that the next load of
 * the module finds the pages for which Xen had no memory when the last one was unloaded.
 */
#define XENPV_BALLOON_MARK 0x78656e7062616c6cul

/*
 * Gentle: fails rather than reclaim hard. Waits for no I/O: the bus's thread, which brings a lost disk back, may wait for
 * the balloon's lock. No __GFP_MOVABLE, since a page without memory cannot be moved.
 */
#define XENPV_BALLOON_GFP (GFP_NOIO | __GFP_HIGHMEM | __GFP_NOWARN | __GFP_NORETRY | __GFP_NOMEMALLOC)

/* Pages of RAM that the guest booted with, whatever they are used for. */
u64 xenpv_memory_present(void)
{
	u64 pages = 0;
	int nid;

	for_each_online_node(nid)
		pages += node_present_pages(nid);
	return pages;
}

/* Pages that could be taken without making the guest swap. */
u64 xenpv_memory_available(void)
{
	return max(si_mem_available(), 0L);
}

struct page *xenpv_balloon_alloc(bool scrub)
{
	struct page *page = alloc_page(XENPV_BALLOON_GFP);

	if (page && scrub)
		clear_highpage(page);
	return page;
}

void xenpv_balloon_free(struct page *page)
{
	__free_page(page);
}

u64 xenpv_balloon_pfn(const struct page *page)
{
	return page_to_pfn(page);
}

/* The page's memory is Xen's: nobody may look at it until xenpv_balloon_take_back(). */
void xenpv_balloon_put_out(struct list_head *list, struct page *page)
{
	set_page_private(page, XENPV_BALLOON_MARK);
	__SetPageOffline(page);
	list_add(&page->lru, list);
	adjust_managed_page_count(page, -1);
	inc_node_page_state(page, NR_BALLOON_PAGES);
}

/* The frame numbers of the first pages of the list. */
u32 xenpv_balloon_peek(const struct list_head *list, u64 *pfns, u32 room)
{
	struct page *page;
	u32 n = 0;

	list_for_each_entry(page, list, lru) {
		if (n == room)
			break;
		pfns[n++] = page_to_pfn(page);
	}
	return n;
}

/* The first page of the list has memory again: gives it to the guest. */
void xenpv_balloon_take_back(struct list_head *list)
{
	struct page *page = list_first_entry_or_null(list, struct page, lru);

	if (!page)
		return;
	list_del(&page->lru);
	set_page_private(page, 0);
	__ClearPageOffline(page);
	adjust_managed_page_count(page, 1);
	dec_node_page_state(page, NR_BALLOON_PAGES);
	__free_page(page);
}

/* Finds the pages that an earlier load of the module left out. */
u64 xenpv_balloon_adopt(struct list_head *list)
{
	u64 found = 0;
	int nid;

	for_each_online_node(nid) {
		unsigned long pfn = node_start_pfn(nid), end = node_end_pfn(nid);

		for (; pfn < end; pfn++) {
			struct page *page = pfn_to_online_page(pfn);

			if (!(pfn % 4096))
				cond_resched();
			if (!page || !PageOffline(page) || page_private(page) != XENPV_BALLOON_MARK)
				continue;
			list_add(&page->lru, list);
			found++;
		}
	}
	return found;
}

void xenpv_balloon_relax(void)
{
	cond_resched();
}
