// SPDX-License-Identifier: GPL-2.0-only
/*
 * A QEMU plugin that counts exactly what a guest, Xen and dom0 execute
 * between two marks, on a machine with one processor (-smp 1).
 *
 *   -plugin count.so,out=FILE
 *
 * Who executes is told in this way: the guest runs from Xen's VMRUN until
 * the instruction behind that VMRUN is reached, which is where every #VMEXIT
 * continues; outside of that, addresses tell Xen from dom0 (a PV domain). A
 * block is translated when it is about to be executed for the first time, and
 * QEMU keeps blocks of a guest and of its host apart even at one address, so
 * the owner at translation is the owner at each execution.
 *
 * Every instruction is counted by itself and not with its block: a block is
 * left half-way and begun again for each access to a device.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "count.h"
#include "qemu_plugin.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

#define USER_END     0x0000800000000000ull
#define KERNEL_START 0xffffffff80000000ull /* Linux's image and modules; Xen is below */

static const uint8_t vmrun[] = { 0x0f, 0x01, 0xd8 };
static const uint8_t vmmcall[] = { 0x0f, 0x01, 0xd9 };
static const uint8_t syscall_insn[] = { 0x0f, 0x05 };
/* nopl with a displacement that nobody uses; kept equal to mark/mark.h. */
static const uint8_t mark_open[] = { 0x0f, 0x1f, 0x80, 0x01, 'X', 'P', 'V' };
static const uint8_t mark_close[] = { 0x0f, 0x1f, 0x80, 0x02, 'X', 'P', 'V' };

static struct qemu_plugin_scoreboard *score;
static struct calls calls[DOMAIN_COUNT];
static struct qemu_plugin_register *rax, *rdi, *rsi;
static GByteArray *value;
static FILE *out;

static bool in_guest;
static uint64_t behind_vmrun;

static struct counters *counters(void)
{
	return qemu_plugin_scoreboard_find(score, 0);
}

static uint64_t read_register(struct qemu_plugin_register *handle)
{
	uint64_t number;

	g_byte_array_set_size(value, 0);
	if (qemu_plugin_read_register(handle, value) < (int)sizeof(number))
		abort();
	memcpy(&number, value->data, sizeof(number));
	return number;
}

/* --- What happens when a watched instruction is executed --- */

static void on_vmrun(unsigned int vcpu, void *behind)
{
	(void)vcpu;
	in_guest = true;
	behind_vmrun = (uint64_t)behind;
}

static void on_vmexit(unsigned int vcpu, void *unused)
{
	(void)vcpu;
	(void)unused;
	in_guest = false;
}

static void on_hypercall(unsigned int vcpu, void *domain)
{
	struct calls *of = &calls[(size_t)domain];
	uint64_t number = read_register(rax), command = read_register(rdi);

	(void)vcpu;
	if (number >= HYPERCALLS)
		return;
	of->number[number]++;
	if (command < COMMANDS)
		of->command[number][command]++;
}

static void on_open(unsigned int vcpu, void *unused)
{
	(void)vcpu;
	(void)unused;
	window_open(counters(), calls, read_register(rdi), read_register(rsi));
}

static void on_close(unsigned int vcpu, void *unused)
{
	(void)vcpu;
	(void)unused;
	window_close(counters(), calls, read_register(rdi), read_register(rsi), out);
}

/* --- What is planted when a block is translated --- */

static bool is_insn(const struct qemu_plugin_insn *insn, const uint8_t *code, size_t length)
{
	uint8_t bytes[sizeof(mark_open)];

	return qemu_plugin_insn_size(insn) == length && qemu_plugin_insn_data(insn, bytes, length) == length &&
	       memcmp(bytes, code, length) == 0;
}
#define IS_INSN(insn, code) is_insn(insn, code, sizeof(code))

static enum who owner(uint64_t address, bool guest)
{
	if (address < USER_END)
		return guest ? GUEST_USER : DOM0_USER;
	if (guest)
		return GUEST_KERNEL;
	return address >= KERNEL_START ? DOM0_KERNEL : XEN;
}

static void add_one(struct qemu_plugin_insn *insn, size_t offset)
{
	qemu_plugin_u64 counter = { score, offset };

	qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, QEMU_PLUGIN_INLINE_ADD_U64, counter, 1);
}

static void count(struct qemu_plugin_insn *insn, enum who who)
{
	uint64_t address = qemu_plugin_insn_vaddr(insn);
	size_t cell = who == GUEST_KERNEL ? cell_offset(address) : 0;

	if (!cell) {
		add_one(insn, offsetof(struct counters, executed[who]));
		return;
	}
	add_one(insn, cell + offsetof(struct cell, executed));
	if (address % (1 << CELL_SHIFT) == 0)
		add_one(insn, cell + offsetof(struct cell, entered));
}

static void watch(struct qemu_plugin_insn *insn, qemu_plugin_vcpu_udata_cb cb, void *userdata)
{
	qemu_plugin_register_vcpu_insn_exec_cb(insn, cb, QEMU_PLUGIN_CB_R_REGS, userdata);
}

static void watch_special(struct qemu_plugin_insn *insn, enum who who)
{
	uint64_t address = qemu_plugin_insn_vaddr(insn);

	if (who == XEN && IS_INSN(insn, vmrun)) {
		add_one(insn, offsetof(struct counters, vmruns));
		watch(insn, on_vmrun, (void *)(address + sizeof(vmrun)));
	} else if (who == GUEST_KERNEL && IS_INSN(insn, vmmcall)) {
		watch(insn, on_hypercall, (void *)GUEST);
	} else if (who == DOM0_KERNEL && IS_INSN(insn, syscall_insn)) {
		watch(insn, on_hypercall, (void *)DOM0);
	} else if (who == GUEST_USER && IS_INSN(insn, mark_open)) {
		watch(insn, on_open, NULL);
	} else if (who == GUEST_USER && IS_INSN(insn, mark_close)) {
		watch(insn, on_close, NULL);
	}
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	bool after_exit = in_guest && qemu_plugin_tb_vaddr(tb) == behind_vmrun;
	bool guest = in_guest && !after_exit;
	size_t length = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (size_t i = 0; i < length; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		enum who who = owner(qemu_plugin_insn_vaddr(insn), guest);

		if (i == 0 && after_exit)
			watch(insn, on_vmexit, NULL);
		watch_special(insn, who);
		count(insn, who);
	}
}

/* --- Beginning --- */

static void on_vcpu(qemu_plugin_id_t id, unsigned int vcpu)
{
	GArray *all = qemu_plugin_get_registers();
	const qemu_plugin_reg_descriptor *list = (const void *)all->data;

	(void)id;
	if (vcpu != 0) {
		qemu_plugin_outs("count: only one processor can be counted\n");
		abort();
	}
	for (unsigned int i = 0; i < all->len; i++) {
		if (!strcmp(list[i].name, "rax"))
			rax = list[i].handle;
		if (!strcmp(list[i].name, "rdi"))
			rdi = list[i].handle;
		if (!strcmp(list[i].name, "rsi"))
			rsi = list[i].handle;
	}
	if (!rax || !rdi || !rsi)
		abort();
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4)) {
		qemu_plugin_outs("count: out=FILE is missing\n");
		return 1;
	}
	/* Whoever reads it may empty it. */
	out = fopen(argv[0] + 4, "a");
	if (!out)
		return 1;
	value = g_byte_array_new();
	score = qemu_plugin_scoreboard_new(sizeof(struct counters));
	qemu_plugin_register_vcpu_init_cb(id, on_vcpu);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	return 0;
}
