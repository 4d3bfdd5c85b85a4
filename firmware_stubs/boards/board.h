/* What an application needs of a board, and a new board has to provide. docs/firmware.md has the way
 * to port it. Nothing here blocks but `idle`, and nothing is called from an interrupt. */
#ifndef ATOLL_BOARD_H
#define ATOLL_BOARD_H

#include <stddef.h>
#include <stdint.h>

#include "flash.h"

enum atoll_board_cause {
    ATOLL_BOARD_POWER,    /* RAM did not keep its content */
    ATOLL_BOARD_RESET,    /* asked for, or by the reset pin */
    ATOLL_BOARD_WATCHDOG, /* nobody fed it */
    ATOLL_BOARD_FAULT,
    ATOLL_BOARD_STACK /* overflow */
};

/* Why this boot, and the one before it ended where. Kept in RAM that a reset leaves alone. */
typedef struct atoll_board_story {
    uint32_t boots; /* since power came */
    uint32_t cause; /* of this one */
    uint32_t pc;    /* of a fault or a bite, else 0 */
    uint32_t lr;
    uint32_t status;  /* CFSR; 0 where the core has none */
    uint32_t address; /* that was touched, where the core tells */
} atoll_board_story;

extern const char atoll_board_name[];

/* Clock, serial line, tick, watchdog, stack guard. Called once, before anything else. */
void atoll_board_start(void);

const atoll_board_story *atoll_board_story_of_boot(void);

/* Milliseconds since the start; never goes back. */
uint64_t atoll_board_now_ms(void);

/* Take what came over the serial line: how many bytes. */
size_t atoll_board_read(uint8_t *to, size_t size);

/* Send what the line takes now: how many bytes. */
size_t atoll_board_write(const uint8_t *from, size_t size);

/* Received bytes that found no room, since the start. */
uint32_t atoll_board_overruns(void);

/* Sleep until an interrupt; the tick is one, so for 10 ms at most. */
void atoll_board_idle(void);

/* The watchdog bites two seconds after the last time. */
void atoll_board_feed(void);

void atoll_board_reset(void);

/* Where the log may lie. `atoll_board_flash_is_ram`: it does not survive the loss of power. */
const atoll_flash *atoll_board_flash(void);
extern const char atoll_board_flash_is_ram;

/* Bytes of stack that were used at most since the start, and that there are. */
uint32_t atoll_board_stack_used(void);
uint32_t atoll_board_stack_size(void);

#endif
