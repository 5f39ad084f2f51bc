// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PCI driver that binds the Xen platform device. It enables the device and notes what it is; the services that
 * stand on it belong to the module, see linux/src/pci.rs.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>

#include "xenpv.h"

#define XENPV_DEVICE_XEN_PLATFORM_2	0x0002	/* the same device with another id */
#define XENPV_DEVICE_XENSERVER		0xc000
#define XENPV_DEVICE_XCP_NG		0xc200

static const struct pci_device_id xenpv_pci_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_XEN, PCI_DEVICE_ID_XEN_PLATFORM) },
	{ PCI_DEVICE(PCI_VENDOR_ID_XEN, XENPV_DEVICE_XEN_PLATFORM_2) },
	{ PCI_DEVICE(PCI_VENDOR_ID_XEN, XENPV_DEVICE_XENSERVER) },
	{ PCI_DEVICE(PCI_VENDOR_ID_XEN, XENPV_DEVICE_XCP_NG) },
	{ }
};
MODULE_DEVICE_TABLE(pci, xenpv_pci_ids);

static DEFINE_MUTEX(xenpv_pci_lock);
static struct xenpv_pci_device xenpv_pci_claimed;
static int xenpv_pci_error;

static void xenpv_pci_describe(struct pci_dev *pdev, struct xenpv_pci_device *out)
{
	out->domain = pci_domain_nr(pdev->bus);
	out->bus = pdev->bus->number;
	out->devfn = pdev->devfn;
	out->device = pdev->device;
	out->bound = pdev->dev.driver != NULL;
	out->irq = pdev->irq;
	if (pci_read_config_byte(pdev, PCI_INTERRUPT_PIN, &out->pin))
		out->pin = 0;
}

static int xenpv_pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int err;

	mutex_lock(&xenpv_pci_lock);
	err = xenpv_pci_claimed.bound ? -EBUSY : pci_enable_device(pdev);
	if (!err) {
		xenpv_pci_describe(pdev, &xenpv_pci_claimed);
		xenpv_pci_claimed.bound = 1;
	}
	xenpv_pci_error = err;
	mutex_unlock(&xenpv_pci_lock);
	return err;
}

static void xenpv_pci_remove(struct pci_dev *pdev)
{
	mutex_lock(&xenpv_pci_lock);
	xenpv_pci_claimed.bound = 0;
	mutex_unlock(&xenpv_pci_lock);
	pci_disable_device(pdev);
}

static struct pci_driver xenpv_pci_driver = {
	.name = "xenpv-platform",
	.id_table = xenpv_pci_ids,
	.probe = xenpv_pci_probe,
	.remove = xenpv_pci_remove,
	.driver = {
		/* The claim looks at the result at once, and only unloading the module may undo it. */
		.probe_type = PROBE_FORCE_SYNCHRONOUS,
		.suppress_bind_attrs = true,
	},
};

/* The first platform device; -ENODEV without one. */
int xenpv_pci_find(struct xenpv_pci_device *found)
{
	const struct pci_device_id *id;
	struct pci_dev *pdev;

	for (id = xenpv_pci_ids; id->vendor; id++) {
		pdev = pci_get_device(id->vendor, id->device, NULL);
		if (!pdev)
			continue;
		xenpv_pci_describe(pdev, found);
		pci_dev_put(pdev);
		return 0;
	}
	return -ENODEV;
}

/* Registers the driver, which binds the device: -EBUSY when another driver has it. */
int xenpv_pci_claim(struct xenpv_pci_device *claimed)
{
	int err;

	xenpv_pci_error = -EBUSY;
	err = pci_register_driver(&xenpv_pci_driver);
	if (err)
		return err;
	mutex_lock(&xenpv_pci_lock);
	*claimed = xenpv_pci_claimed;
	err = claimed->bound ? 0 : xenpv_pci_error;
	mutex_unlock(&xenpv_pci_lock);
	if (err)
		pci_unregister_driver(&xenpv_pci_driver);
	return err;
}

void xenpv_pci_release(void)
{
	pci_unregister_driver(&xenpv_pci_driver);
}

/*
 * xen_domain_type is a variable only with CONFIG_XEN, and must not be needed to load the module without it: hence by
 * name. 0 is XEN_NATIVE: not under Xen, or told to keep out by xen_nopv.
 */
bool xenpv_builtin_xen_active(void)
{
	static const char name[] = "xen_domain_type";
	const int *type = __symbol_get(name);
	bool active;

	if (!type)
		return false;
	active = *type != 0;
	__symbol_put(name);
	return active;
}
