/* A plugin of QEMU (API 1) that stops a board after so many instructions, for the soak's resets.
 *
 * It connects to the socket that its argument `line=PATH` names. When as many instructions have run as
 * it was told (8 bytes, little-endian), it writes a byte and waits for the next number: the processor
 * stands still meanwhile, and whoever listens orders the reset. QEMU carries that out only when the
 * processor lets go, so that it rests a moment more behind the answer: then it runs no other block.
 * At the start it asks for the first number. Counted block by block: it stops at the first one behind
 * the count. */
#define _DEFAULT_SOURCE 1
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* What is used of the interface (QEMU's documentation, "TCG plugins"). */
typedef uint64_t plugin_id;
struct qemu_plugin_tb;
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
                                           void (*call)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block,
                                          void (*call)(unsigned, void *), int flags, void *data);

enum { REST_US = 500 };

#define EXPORT __attribute__((visibility("default")))
EXPORT extern int qemu_plugin_version;
EXPORT int qemu_plugin_install(plugin_id id, const void *info, int count, char **words);

int qemu_plugin_version = 1;

static int line = -1;
static int64_t left;

/* Without anybody at the other end nothing is stopped any more. */
static void ask(void)
{
    uint64_t next;
    if (write(line, "", 1) == 1 && recv(line, &next, sizeof next, MSG_WAITALL) == sizeof next) {
        left = (int64_t)next;
        usleep(REST_US);
    } else {
        left = INT64_MAX;
    }
}

static void executed(unsigned cpu, void *instructions)
{
    (void)cpu;
    left -= (int64_t)(intptr_t)instructions;
    if (left < 0) {
        ask();
    }
}

static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(block, executed, 0,
                                         (void *)(intptr_t)qemu_plugin_tb_n_insns(block));
}

int qemu_plugin_install(plugin_id id, const void *info, int count, char **words)
{
    struct sockaddr_un there = {.sun_family = AF_UNIX};
    (void)info;
    if (count != 1 || strncmp(words[0], "line=", 5) != 0 ||
        strlen(words[0] + 5) >= sizeof there.sun_path) {
        return 1;
    }
    strcpy(there.sun_path, words[0] + 5);
    line = socket(AF_UNIX, SOCK_STREAM, 0);
    if (line < 0 || connect(line, (struct sockaddr *)&there, sizeof there) != 0) {
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
