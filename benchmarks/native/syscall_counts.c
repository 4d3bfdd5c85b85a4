/* A plugin of QEMU's user mode that says how many instructions a program had executed at each of
 * some system calls: which message it sent after how much work, or what lies between two marks.
 *
 *     qemu-aarch64 -plugin ./syscall_counts.so,out=counts.txt,call=206,call=124 PROGRAM
 *
 * A line a call: instructions of all threads so far, the call's number, its third argument (of a
 * write: how many bytes). The header of QEMU's plugins is not packaged: what is needed of its
 * interface, version 1, is declared here.
 */

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define THREADS_MAX 4096
#define CALLS_MAX 8

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_info;
enum flags { NO_REGISTERS };

typedef void (*translated_cb)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*executed_cb)(unsigned int thread, void *data);
typedef void (*called_cb)(qemu_plugin_id_t id, unsigned int thread, int64_t number, uint64_t a1,
                          uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6,
                          uint64_t a7, uint64_t a8);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translated_cb callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, executed_cb callback,
                                          enum flags flags, void *data);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t id, called_cb callback);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int count,
                               char **words);

/* One counter a thread, so that none is added to by two at once; they are summed at a call. */
static uint64_t executed[THREADS_MAX];
static unsigned int threads;
static int64_t calls[CALLS_MAX];
static unsigned int call_count;
static FILE *out;

static void block_executed(unsigned int thread, void *data)
{
    if (thread < THREADS_MAX)
        executed[thread] += (uintptr_t)data;
    if (thread >= threads)
        threads = thread < THREADS_MAX ? thread + 1 : THREADS_MAX;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, block_executed, NO_REGISTERS,
                                         (void *)(uintptr_t)qemu_plugin_tb_n_insns(tb));
}

static void called(qemu_plugin_id_t id, unsigned int thread, int64_t number, uint64_t a1,
                   uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7,
                   uint64_t a8)
{
    uint64_t total = 0;
    unsigned int k, wanted = 0;

    (void)id, (void)thread, (void)a1, (void)a2, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    for (k = 0; k < call_count; k++)
        wanted |= calls[k] == number;
    if (!wanted)
        return;
    for (k = 0; k < threads; k++)
        total += executed[k];
    fprintf(out, "%" PRIu64 " %" PRId64 " %" PRIu64 "\n", total, number, a3);
    fflush(out);
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int count, char **words)
{
    int k;

    (void)info;
    for (k = 0; k < count; k++) {
        if (strncmp(words[k], "out=", 4) == 0)
            out = fopen(words[k] + 4, "w");
        else if (strncmp(words[k], "call=", 5) == 0 && call_count < CALLS_MAX)
            calls[call_count++] = strtoll(words[k] + 5, NULL, 10);
    }
    if (!out)
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
