/* A shell around the node: a TCP socket, a clock, flash in two files that a killed process leaves as
 * they are.
 *
 *     node_host PORT SITE DEVICE FLASH_FILE
 *
 *     result JOB KEY TASK TEXT    answered by `kept CODE`
 *     counts                      answered by `counts stale N malformed N unwanted N backlog N`
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "node.h"
#include "shell.h"

enum { PAGE = 2048, NUMBERS_PAGES = 4, OUTBOX_PAGES = 16, PAGES = NUMBERS_PAGES + OUTBOX_PAGES };

static atoll_node node;
static int stream = -1;

/* --- flash in a file ------------------------------------------------------------------------- */

static int read_file(void *context, uint32_t address, void *data, size_t size)
{
    memcpy(data, (uint8_t *)context + address, size);
    return 0;
}

static int program_file(void *context, uint32_t address, const void *data, size_t size)
{
    uint8_t *to = (uint8_t *)context + address;
    for (size_t at = 0; at < size; at++) {
        to[at] &= ((const uint8_t *)data)[at];
    }
    return 0;
}

static int erase_file(void *context, uint32_t page)
{
    memset((uint8_t *)context + (size_t)page * PAGE, 0xFF, PAGE);
    return 0;
}

static uint8_t *map_file(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT, 0600);
    bool fresh = lseek(file, 0, SEEK_END) == 0;
    uint8_t *bytes;
    if (file < 0 || ftruncate(file, PAGES * PAGE) != 0) {
        exit(2);
    }
    bytes = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (bytes == MAP_FAILED) {
        exit(2);
    }
    if (fresh) {
        memset(bytes, 0xFF, PAGES * PAGE);
    }
    return bytes;
}

static atoll_flashlog *open_log(uint8_t *bytes, uint16_t pages, atoll_flash *flash,
                                atoll_flashlog *log)
{
    static atoll_flashlog_page table[PAGES];
    static uint16_t used;
    *flash = (atoll_flash){read_file, program_file, erase_file, bytes + used * PAGE,
                           PAGE,      pages,        4};
    if (atoll_flashlog_open(log, flash, table + used) != 0) {
        exit(2);
    }
    used = (uint16_t)(used + pages);
    return log;
}

/* --- commands and stream --------------------------------------------------------------------- */

static atoll_mqtt_text text(const char *from)
{
    return (atoll_mqtt_text){from, (uint16_t)strlen(from)};
}

static void obey(char *line)
{
    char *word = strtok(line, " ");
    if (word != NULL && strcmp(word, "result") == 0) {
        char *job = strtok(NULL, " "), *key = strtok(NULL, " "), *task = strtok(NULL, " ");
        char *data = strtok(NULL, "");
        printf("kept %d\n",
               data == NULL ? -9
                            : atoll_node_result(&node, text(job), text(key),
                                                strtoull(task, NULL, 10), false, data,
                                                strlen(data), 5));
    } else if (word != NULL && strcmp(word, "counts") == 0) {
        printf("counts stale %u malformed %u unwanted %u backlog %" PRIu64 "\n", node.stale,
               node.malformed, node.unwanted, atoll_flashlog_backlog(node.config.outbox));
    }
}

/* It takes programs as a board that samples does, and runs none. */
static const char *refuse(void *context, const atoll_message *message)
{
    (void)context;
    (void)message;
    return "this image runs no plans";
}

static void cancel(void *context, atoll_mqtt_text job)
{
    (void)context;
    (void)job;
}

static void close_stream(void)
{
    if (stream >= 0) {
        close(stream);
        stream = -1;
    }
    atoll_node_closed(&node, shell_clock_ms());
}

static void follow(atoll_mqtt_kind wanted)
{
    if (wanted == ATOLL_MQTT_CLOSE) {
        close_stream();
    } else if (wanted == ATOLL_MQTT_OPEN) {
        stream = shell_connect((uint16_t)node.config.mqtt.seed);
        if (stream < 0) {
            close_stream();
        } else {
            atoll_node_opened(&node, shell_clock_ms());
        }
    }
}

static void move_bytes(bool arrived)
{
    static uint8_t data[512];
    static size_t have, at;
    const uint8_t *output;
    size_t size;
    if (arrived && at == have) {
        ssize_t got = read(stream, data, sizeof data);
        at = have = 0;
        if (got <= 0) {
            close_stream();
            return;
        }
        have = (size_t)got;
    }
    at += atoll_node_receive(&node, data + at, have - at, shell_clock_ms());
    while (stream >= 0 && (size = atoll_node_output(&node, &output)) > 0) {
        long sent = shell_send(stream, output, size);
        if (sent < 0) {
            close_stream();
            at = have = 0;
            return;
        }
        atoll_node_sent(&node, (size_t)sent, shell_clock_ms());
    }
}

int main(int argc, char **argv)
{
    static uint8_t receive[1200], store[3000];
    static atoll_flash flashes[2];
    static atoll_flashlog logs[2];
    atoll_node_config config = {.zone = {"bench", 5},
                                .software = {"0.1.0", 5},
                                .profile = {"normal", 6},
                                .capacity = 0.25f,
                                .memory_bytes = 16384,
                                .storage_bytes = 32768,
                              .plans = {NULL, refuse, cancel}};
    uint8_t *bytes;
    if (argc < 5) {
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    bytes = map_file(argv[4]);
    config.numbers = open_log(bytes, NUMBERS_PAGES, &flashes[0], &logs[0]);
    config.outbox = open_log(bytes, OUTBOX_PAGES, &flashes[1], &logs[1]);
    config.site = text(argv[2]);
    config.device = text(argv[3]);
    config.mqtt = (atoll_mqtt_config){.keep_alive_s = 10,
                                      .receive = receive,
                                      .receive_size = sizeof receive,
                                      .store = store,
                                      .store_size = sizeof store,
                                      .seed = (uint32_t)atoi(argv[1])}; /* the port, too */
    if (atoll_node_start(&node, &config, shell_clock_ms()) != 0) {
        return 3;
    }
    printf("boot %u\n", node.numbers.boot);
    for (;;) {
        bool input, arrived;
        shell_wait(stream, atoll_node_wakeup(&node), &input, &arrived);
        if (input && !shell_read_lines(obey)) {
            return 0;
        }
        follow(atoll_node_tick(&node, shell_clock_ms()));
        if (stream >= 0) {
            move_bytes(arrived);
        }
    }
}
