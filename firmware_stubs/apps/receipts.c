/* The receipts of a board: a line a kernel over the serial line, in plain text, and one at the end
 * with the stack that it took. `make receipts` compares them with those of every other machine. */
#include <string.h>

#include "atoll_receipts.h"
#include "board.h"

enum { NIBBLES = 16 };

static uint64_t memory[(ATOLL_RECEIPT_BYTES + 7) / 8];

static void say(const char *text)
{
    size_t size = strlen(text);
    while (size > 0u) {
        size_t sent = atoll_board_write((const uint8_t *)text, size);
        text += sent;
        size -= sent;
        atoll_board_feed();
    }
}

static void say_hex(uint64_t number)
{
    char digits[NIBBLES + 1];
    size_t at;
    digits[NIBBLES] = 0;
    for (at = NIBBLES; at > 0u; number >>= 4) {
        digits[--at] = "0123456789abcdef"[number & 15u];
    }
    say(digits);
}

static void say_receipt(uint32_t number)
{
    uint64_t hash = 0;
    uint32_t status = atoll_receipt(number, memory, sizeof memory, &hash);
    say(atoll_receipt_names[number]);
    say(status == 0u ? " " : " failed ");
    say_hex(status == 0u ? hash : status);
    say("\n");
}

/* A board that fell starts again: what it says then ends the run. */
static void say_story(const atoll_board_story *story)
{
    say(atoll_board_name);
    say(story->boots == 1u ? " starts" : " fell");
    say(" cause ");
    say_hex(story->cause);
    say(" pc ");
    say_hex(story->pc);
    say("\n");
}

int main(void)
{
    uint32_t number;
    atoll_board_start();
    say_story(atoll_board_story_of_boot());
    for (number = 0; number < (uint32_t)ATOLL_RECEIPTS; number++) {
        atoll_board_feed();
        say_receipt(number);
    }
    say("stack ");
    say_hex(atoll_board_stack_used());
    say("\nend\n");
    for (;;) {
        atoll_board_feed();
        atoll_board_idle();
    }
}
