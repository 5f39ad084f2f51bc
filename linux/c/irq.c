// SPDX-License-Identifier: GPL-2.0-only
/* Interrupts: what is inline in C, or changes its shape between kernels. See linux/src/irq.rs and linux/src/vector.rs. */
#include <linux/cpumask.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/irqdomain.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/topology.h>
#include <asm/hw_irq.h>
#include <asm/irq_regs.h>
#include <asm/irqdomain.h>

#include "xenpv.h"

/*
 * A new interrupt of our own chip. Without an owner: one that names a module would pin it for as long as the interrupt
 * lives, and the module frees its interrupts when it goes.
 */
int xenpv_irq_alloc(struct irq_chip *chip, void *line, struct irq_desc **desc)
{
	int irq = __irq_alloc_descs(-1, 0, 1, NUMA_NO_NODE, NULL, NULL);

	if (irq < 0)
		return irq;
	irq_set_chip_data(irq, line);
	irq_set_chip_and_handler_name(irq, chip, handle_edge_irq, "event");
	irq_modify_status(irq, IRQ_NOREQUEST, IRQ_NOPROBE);
	*desc = irq_data_to_desc(irq_get_irq_data(irq));
	return irq;
}

void xenpv_irq_free(unsigned int irq)
{
	irq_free_descs(irq, 1);
}

void *xenpv_irq_line(struct irq_data *data)
{
	return irq_data_get_irq_chip_data(data);
}

/* In hard interrupt context: serves one interrupt of another chip. */
void xenpv_irq_deliver(struct irq_desc *desc)
{
	generic_handle_irq_desc(desc);
}

/*
 * Whether the current interrupt has interrupted the CPU at the very place `last`, which becomes that of this one. No, and
 * `last` stays, when nothing waits for the CPU.
 */
bool xenpv_irq_is_same_place(struct xenpv_irq_place *last)
{
	const struct pt_regs *regs = get_irq_regs();
	unsigned long other;

	if (!regs || (is_idle_task(current) && !need_resched() && !in_serving_softirq()))
		return false;
	other = (last->task ^ (unsigned long)current) | (last->ip ^ regs->ip) | (last->sp ^ regs->sp) |
		(last->ax ^ regs->ax) | (last->cx ^ regs->cx);
	*last = (struct xenpv_irq_place) {
		.task = (unsigned long)current,
		.ip = regs->ip,
		.sp = regs->sp,
		.ax = regs->ax,
		.cx = regs->cx,
	};
	return !other;
}

int xenpv_irq_request(unsigned int irq, irq_handler_t handler, bool shared, const char *name, void *data)
{
	/* Handlers are short, run in hard interrupt context, and chain to others: not for a thread. */
	return request_irq(irq, handler, IRQF_NO_THREAD | (shared ? IRQF_SHARED : 0), name, data);
}

void xenpv_irq_release(unsigned int irq, void *data)
{
	free_irq(irq, data);
}

/* With the descriptor's lock held, from irq_set_affinity. */
void xenpv_irq_served_by(struct irq_data *data, unsigned int cpu)
{
	irq_data_update_effective_affinity(data, cpumask_of(cpu));
}

int xenpv_irq_set_cpu(unsigned int irq, unsigned int cpu)
{
	return irq_set_affinity(irq, cpumask_of(cpu));
}

/* Asks the chip again where the interrupt should go, with the affinity that it has, or with a new one: anywhere. */
int xenpv_irq_place_again(unsigned int irq, bool anywhere)
{
	return irq_set_affinity(irq, anywhere ? cpu_online_mask : irq_get_affinity_mask(irq));
}

/* A free vector of one CPU, as an interrupt that stays there. */
int xenpv_vector_alloc(unsigned int cpu)
{
	struct irq_alloc_info info = { .mask = cpumask_of(cpu) };
	int irq = irq_domain_alloc_irqs(x86_vector_domain, 1, cpu_to_node(cpu), &info);

	if (irq < 0)
		return irq;
	irq_set_status_flags(irq, IRQ_NO_BALANCING);
	irq_set_handler(irq, handle_edge_irq);
	return irq;
}

/* The vector's number, once the interrupt is requested and thereby active; -ENODEV if it went to another CPU. */
int xenpv_vector_number(unsigned int irq, unsigned int cpu)
{
	struct irq_data *data = irq_domain_get_irq_data(x86_vector_domain, irq);
	int err = irq_set_affinity(irq, cpumask_of(cpu));

	if (err)
		return err;
	if (!data || !cpumask_equal(irq_data_get_effective_affinity_mask(data), cpumask_of(cpu)))
		return -ENODEV;
	return irqd_cfg(data)->vector;
}

void xenpv_vector_free(unsigned int irq)
{
	irq_domain_free_irqs(irq, 1);
}
