/* A plugin for QEMU's translator: how many instructions a guest runs from one mark to the next.
 *
 *     qemu-system-arm ... -plugin ./icount.so,mark=0x1234,out=counts.txt
 *
 * Each time the instruction at `mark` runs, the count of all instructions so far goes into a line of
 * `out`. The plugin interface (version 1) is declared here, after its documentation, because the
 * emulator's packages bring no header. */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;
enum flags { NO_REGISTERS = 0 };
enum operation { ADD_U64 = 0 };

typedef void (*tb_translated)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*insn_executed)(unsigned int vcpu, void *data);
typedef void (*at_exit)(qemu_plugin_id_t id, void *data);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_translated callback);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, insn_executed callback,
                                            enum flags flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, enum operation op,
                                                void *counter, uint64_t by);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, at_exit callback, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

#define EXPORT __attribute__((visibility("default")))

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int count,
                               char **words);

static uint64_t executed;
static uint64_t mark;
static FILE *out;

static void marked(unsigned int vcpu, void *data)
{
    (void)vcpu;
    (void)data;
    (void)fprintf(out, "%" PRIu64 "\n", executed);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    size_t k, n = qemu_plugin_tb_n_insns(tb);
    (void)id;
    for (k = 0; k < n; k++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, k);
        qemu_plugin_register_vcpu_insn_exec_inline(insn, ADD_U64, &executed, 1);
        if (qemu_plugin_insn_vaddr(insn) == mark) {
            qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, NO_REGISTERS, NULL);
        }
    }
}

static void finished(qemu_plugin_id_t id, void *data)
{
    (void)id;
    (void)data;
    (void)fclose(out);
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int count, char **words)
{
    int k;
    (void)info;
    for (k = 0; k < count; k++) {
        if (strncmp(words[k], "mark=", 5) == 0) {
            mark = strtoull(words[k] + 5, NULL, 16);
        } else if (strncmp(words[k], "out=", 4) == 0) {
            out = fopen(words[k] + 4, "w");
        }
    }
    if (mark == 0u || out == NULL) {
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, finished, NULL);
    return 0;
}
