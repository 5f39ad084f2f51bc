// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that a device model may emulate: disks and network cards on the root PCI bus. See linux/src/emulated.rs.
 * A device found is a PCI function, or a disk below one that is a storage controller.
 */
#include <linux/blkdev.h>
#include <linux/major.h>
#include <linux/pci.h>
#include <linux/string.h>

#include "xenpv.h"

/* From a PCI function to its disks: ATA port, SCSI host, target, device, disk. */
#define XENPV_DISK_DEPTH 5

struct xenpv_emulated_search {
	struct device **found;
	u32 room, count;
	int depth;
};

static bool xenpv_is_block(const struct device *dev)
{
	return dev->class && !strcmp(dev->class->name, "block");
}

static int xenpv_emulated_walk(struct device *dev, void *data)
{
	struct xenpv_emulated_search *search = data;
	int err = 0;

	if (xenpv_is_block(dev)) {
		if (search->count == search->room)
			return -ENOSPC;
		search->found[search->count++] = get_device(dev);
	} else if (search->depth < XENPV_DISK_DEPTH) {
		search->depth++;
		err = device_for_each_child(dev, search, xenpv_emulated_walk);
		search->depth--;
	}
	return err;
}

/* Fills in references to the devices; returns how many, or an error after which none is held. */
int xenpv_emulated_find(struct device **found, u32 room)
{
	struct xenpv_emulated_search search = { .found = found, .room = room };
	struct pci_dev *pdev = NULL;
	int err = 0;

	for_each_pci_dev(pdev) {
		u8 base = pdev->class >> 16;

		if (!pci_is_root_bus(pdev->bus) || (base != PCI_BASE_CLASS_STORAGE && base != PCI_BASE_CLASS_NETWORK))
			continue;
		err = search.count == room ? -ENOSPC : 0;
		if (!err)
			found[search.count++] = get_device(&pdev->dev);
		if (!err && base == PCI_BASE_CLASS_STORAGE)
			err = device_for_each_child(&pdev->dev, &search, xenpv_emulated_walk);
		if (err) {
			pci_dev_put(pdev);
			break;
		}
	}
	if (!err)
		return search.count;
	while (search.count)
		put_device(found[--search.count]);
	return err;
}

void xenpv_emulated_put(struct device *dev)
{
	put_device(dev);
}

struct xenpv_port_search {
	const struct device *wanted;
	u32 port;
};

static int xenpv_count_ports(struct device *dev, void *data)
{
	struct xenpv_port_search *search = data;

	if (dev == search->wanted)
		return 1;
	if (!strncmp(dev_name(dev), "ata", 3))
		search->port++;
	return 0;
}

/* Where a disk's SCSI device is, if it is one of libata's: its port's number at the controller, and its own there. */
static void xenpv_ata_place(const struct device *scsi, struct xenpv_emulated *out)
{
	const struct device *target = scsi->parent;
	const struct device *host = target ? target->parent : NULL;
	const struct device *port = host ? host->parent : NULL;
	struct xenpv_port_search search = { .wanted = port };
	unsigned int ids[4];

	if (!port || !port->parent || !dev_is_pci(port->parent) || strncmp(dev_name(port), "ata", 3))
		return;
	if (sscanf(dev_name(scsi), "%u:%u:%u:%u", &ids[0], &ids[1], &ids[2], &ids[3]) != 4)
		return;
	if (!device_for_each_child(port->parent, &search, xenpv_count_ports))
		return;
	out->placed = 1;
	out->port = search.port;
	out->device = ids[2];
}

void xenpv_emulated_describe(struct device *dev, struct xenpv_emulated *out)
{
	const struct device *up = dev;

	memset(out, 0, sizeof(*out));
	out->name = dev_name(dev);
	while (up && !dev_is_pci(up))
		up = up->parent;
	if (up)
		out->class = to_pci_dev(up)->class >> 8;
	if (!xenpv_is_block(dev))
		return;
	out->disk = 1;
	out->cdrom = MAJOR(dev->devt) == SCSI_CDROM_MAJOR;
	out->openers = disk_openers(dev_to_disk(dev));
	if (dev->parent)
		xenpv_ata_place(dev->parent, out);
}

/* Takes a disk away from its driver, and so out of the system. */
void xenpv_emulated_detach(struct device *disk)
{
	struct device *parent = get_device(disk->parent);

	if (parent)
		device_release_driver(parent);
	put_device(parent);
}

/* Takes a PCI function out of the system. */
void xenpv_emulated_remove(struct device *function)
{
	pci_stop_and_remove_bus_device_locked(to_pci_dev(function));
}

/* Brings back what was removed and is still there. */
void xenpv_emulated_rescan(void)
{
	struct pci_bus *bus = NULL;

	pci_lock_rescan_remove();
	while ((bus = pci_find_next_bus(bus)))
		pci_rescan_bus(bus);
	pci_unlock_rescan_remove();
}

/* The device model resets a controller whose disks it takes; what stays on it needs its settings. */
void xenpv_emulated_save(struct device *function)
{
	pci_save_state(to_pci_dev(function));
}

void xenpv_emulated_restore(struct device *function)
{
	pci_restore_state(to_pci_dev(function));
}
