/* Small parts at their edges: the identity block, slices of a flash, the numbers that fence. */
#include <stdio.h>
#include <string.h>

#include "bytes.h"
#include "crc32c.h"
#include "flash_emulator.h"
#include "flash_slice.h"
#include "identity.h"
#include "kept.h"
#include "node.h"
#include "numbers.h"
#include "samples_ring.h"

static int failed;

static void expect(int claim, const char *what)
{
    if (!claim) {
        failed++;
        fprintf(stderr, "not so: %s\n", what);
    }
}

static void test_identity(void)
{
    uint8_t block[ATOLL_IDENTITY_SIZE_MAX] = "ATID\4\3\5\1\1\3\1\6labmcu-1zvadcgsesame";
    static const uint8_t network[18] = {10, 0, 2, 2, 0x5B, 0x07, 10, 0, 2, 9, 255, 255, 255, 0,
                                        10, 0, 2, 1};
    size_t size = 12 + 3 + 5 + 1 + 1 + 3 + 1 + 6 + 12; /* zeros: rate, scale, floor */
    atoll_identity identity;
    memcpy(block + size, network, sizeof network);
    size += sizeof network;
    atoll_bytes_put_le32(block + size, atoll_crc32c_update(0, block, size));
    expect(atoll_identity_read(&identity, block), "a whole block");
    expect(identity.device.size == 5 && memcmp(identity.device.data, "mcu-1", 5) == 0, "its name");
    expect(identity.source.size == 3 && memcmp(identity.source.data, "adc", 3) == 0, "its stream");
    expect(identity.secret.size == 6 && memcmp(identity.secret.data, "sesame", 6) == 0, "its word");
    expect(identity.network.broker[3] == 2 && identity.network.port == 1883, "its broker");
    expect(identity.network.address[3] == 9 && identity.network.mask[2] == 255 &&
               identity.network.router[3] == 1,
           "its address");
    for (size_t bit = 0; bit < (size + 4) * 8; bit++) {
        block[bit / 8] ^= (uint8_t)(1u << bit % 8);
        expect(!atoll_identity_read(&identity, block), "a flipped bit is seen");
        block[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    memset(block, 0xFF, sizeof block);
    expect(!atoll_identity_read(&identity, block), "blank flash is nobody");
}

/* Two logs on one flash: each is there, and neither sees the other's records. */
static void test_slices(void)
{
    static emulator flash;
    atoll_flash_slice slices[2];
    atoll_flashlog logs[2];
    atoll_flashlog_page pages[8];
    emulator_start(&flash, 256, 8, 4, 1);
    atoll_flash_slice_start(&slices[0], &flash.port, 0, 3, 256);
    atoll_flash_slice_start(&slices[1], &flash.port, 3, 5, 256);
    for (int round = 0; round < 2; round++) {
        expect(atoll_flashlog_open(&logs[0], &slices[0].flash, pages) == 0, "the first opens");
        expect(atoll_flashlog_open(&logs[1], &slices[1].flash, pages + 3) == 0, "the second");
        expect(atoll_flashlog_backlog(&logs[0]) == (round == 0 ? 0 : 1), "one record");
        expect(atoll_flashlog_backlog(&logs[1]) == (round == 0 ? 0 : 20), "twenty");
        for (int count = 0; round == 0 && count < 100; count++) {
            expect(atoll_flashlog_replace(&logs[0], 1, "first", 5, NULL) == 0, "it takes turns");
            expect(count >= 20 || atoll_flashlog_append(&logs[1], 1, "x", 1, NULL) == 0, "room");
        }
    }
    expect(flash.violations == 0 && flash.erases[2] > 0 && flash.erases[7] == 0, "inside");
}

/* Pages too small for a record are taken together: all of them are erased, and no other. */
static void test_slices_of_small_pages(void)
{
    static emulator flash;
    static const uint8_t record[700] = {7};
    atoll_flash_slice slice;
    atoll_flashlog log;
    atoll_flashlog_page pages[3];
    emulator_start(&flash, 256, 16, 4, 1);
    expect(atoll_flash_together(&flash.port, 256) == 1u, "one holds its own size");
    expect(atoll_flash_together(&flash.port, 257) == 2u, "and a byte more takes two");
    expect(atoll_flash_slice_start(&slice, &flash.port, 2, 3, 1000) == 14u, "three times four");
    expect(slice.flash.page_size == 1024u && slice.flash.page_count == 3u, "larger pages");
    expect(atoll_flashlog_open(&log, &slice.flash, pages) == 0, "it opens");
    for (int count = 0; count < 50; count++) {
        expect(atoll_flashlog_replace(&log, 1, record, sizeof record, NULL) == 0, "it takes turns");
    }
    expect(atoll_flashlog_open(&log, &slice.flash, pages) == 0 && log.next == 51u, "all were kept");
    expect(log.torn == 0u && flash.violations == 0, "no byte was programmed twice");
    for (unsigned page = 0; page < 16u; page++) {
        expect((flash.erases[page] > 0) == (page >= 2u && page < 14u), "its own pages");
    }
}

static void test_numbers(void)
{
    static emulator flash;
    atoll_flashlog log;
    atoll_flashlog_page pages[4];
    atoll_numbers numbers;
    emulator_start(&flash, 256, 4, 4, 2);
    for (uint32_t boot = 1; boot <= 50; boot++) {
        atoll_flashlog_open(&log, &flash.port, pages);
        expect(atoll_numbers_start(&numbers, &log, 0) == 0 && numbers.boot == boot, "one higher");
        expect(numbers.epoch == 3u * (boot - 1u) && numbers.lease == boot / 2u, "as raised");
        expect(atoll_numbers_raise(&numbers, 7, 3u * boot, (boot + 1u) / 2u) == 0, "raised");
        expect(atoll_numbers_raise(&numbers, 6, 1, 0) == 0, "lower is no news");
        expect(numbers.term == 7 && numbers.epoch == 3u * boot, "nothing goes back");
        expect(atoll_numbers_next_run(&numbers) == boot, "runs go on over boots");
    }
    atoll_flashlog_open(&log, &flash.port, pages);
    expect(atoll_numbers_start(&numbers, &log, 700) == 0 && numbers.boot == 701, "the floor");
    expect(atoll_numbers_next_run(&numbers) == 701, "of runs, too");
    flash.off = true;
    expect(atoll_numbers_raise(&numbers, 8, 0, 0) < 0 && numbers.term == 7, "not on flash, not so");
    expect(atoll_numbers_next_run(&numbers) == 0 && numbers.run == 701, "nor is a run");
    atoll_flashlog_open(&log, &flash.port, pages);
    expect(atoll_numbers_start(&numbers, &log, 0) < 0, "a boot that is not on flash is none");
}

/* When a board that lost its broker asks for it again. */
static uint64_t retry_of(const char *name)
{
    static atoll_node node;
    static emulator flash;
    static uint8_t receive[2048], store[1280];
    atoll_flash_slice slices[2];
    atoll_flashlog logs[2];
    atoll_flashlog_page pages[8];
    atoll_node_config config = {.site = {"lab", 3}, .zone = {"z", 1}, .software = {"1", 1}};
    config.profile = (atoll_mqtt_text){"normal", 6};
    config.device = (atoll_mqtt_text){name, (uint16_t)strlen(name)};
    config.mqtt.receive = receive;
    config.mqtt.receive_size = sizeof receive;
    config.mqtt.store = store;
    config.mqtt.store_size = sizeof store;
    config.numbers = &logs[0];
    config.outbox = &logs[1];
    emulator_start(&flash, 256, 8, 4, 1);
    atoll_flash_slice_start(&slices[0], &flash.port, 0, 3, 256);
    atoll_flash_slice_start(&slices[1], &flash.port, 3, 5, 256);
    atoll_flashlog_open(&logs[0], &slices[0].flash, pages);
    atoll_flashlog_open(&logs[1], &slices[1].flash, pages + 3);
    expect(atoll_node_start(&node, &config, 0) == 0, "it starts");
    expect(atoll_node_tick(&node, 0) == ATOLL_MQTT_OPEN, "it wants its broker");
    atoll_node_closed(&node, 0);
    return atoll_node_wakeup(&node);
}

/* Boards that lost one broker at one time do not come back at one time. */
static void test_jitter(void)
{
    uint64_t first = retry_of("mcu-1"), second = retry_of("mcu-2");
    expect(first != second, "two boards, two times");
    expect(first >= 250u && first <= 500u && second >= 250u && second <= 500u, "soon");
}

/* What is kept is there whole or not at all, wherever the power goes, and under its own key only. */
static void test_kept(void)
{
    static emulator flash, cut;
    static const uint8_t key[ATOLL_KEPT_KEY] = "this build's id", other[ATOLL_KEPT_KEY] = "another";
    uint8_t first[200], second[200], found[256];
    memset(first, 0x5C, sizeof first);
    memset(second, 0xA1, sizeof second);
    for (uint16_t unit = 1; unit <= 32; unit = (uint16_t)(unit * 2)) {
        emulator_start(&flash, 256, 3, unit, 1);
        expect(!atoll_kept_read(&flash.port, 2, key, found, sizeof first), "nothing on blank flash");
        expect(atoll_kept_write(&flash.port, 2, key, first, sizeof first), "something is kept");
        expect(atoll_kept_read(&flash.port, 2, key, found, sizeof first), "and there");
        expect(memcmp(found, first, sizeof first) == 0, "as it was");
        expect(!atoll_kept_read(&flash.port, 2, other, found, sizeof first), "not for another build");
        expect(!atoll_kept_read(&flash.port, 2, key, found, sizeof first - 1), "nor of another size");
        expect(!atoll_kept_write(&flash.port, 2, key, found, 256 - ATOLL_KEPT_MORE + 1), "too much");
        expect(atoll_kept_read(&flash.port, 2, key, found, sizeof first), "which changed nothing");
        expect(flash.violations == 0, "by the rules of flash");
    }
    for (int tear = TEAR_NOTHING; tear < TEARS; tear++) {
        for (uint64_t at = 0; at < 10; at++) {
            uint8_t *wanted;
            emulator_copy(&cut, &flash);
            cut.cut_at = cut.operations + at;
            cut.tear = (enum tear)tear;
            atoll_kept_write(&cut.port, 2, key, second, sizeof second);
            emulator_copy(&flash, &cut);
            memset(found, 0, sizeof found);
            if (atoll_kept_read(&flash.port, 2, key, found, sizeof second)) {
                wanted = found[0] == 0xA1 ? second : first;
                expect(memcmp(found, wanted, sizeof second) == 0, "whole after a cut");
            }
            expect(atoll_kept_write(&flash.port, 2, key, first, sizeof first), "kept anew");
        }
    }
    flash.bytes[2 * 256 + 100] ^= 4;
    expect(!atoll_kept_read(&flash.port, 2, key, found, sizeof first), "a rotten bit is seen");
}

/* --- the ring of an ADC ---------------------------------------------------------------------- */

enum { RING = 256 };

/* The converter gives its count; whether all that was taken is in order, and how much it was. */
static uint32_t run_converter(atoll_samples_ring *ring, volatile uint16_t *values, uint32_t *come,
                              uint32_t conversions)
{
    int16_t taken[16];
    uint32_t next = ring->taken, sum = 0;
    size_t count;
    for (uint32_t index = 0; index < conversions; index++, (*come)++) {
        values[*come % RING] = (uint16_t)(*come & 0x7FFFu);
    }
    do {
        count = atoll_samples_ring_take(ring, *come, taken, 16);
        for (size_t index = 0; index < count; index++) {
            uint32_t skipped = ((uint32_t)taken[index] - next) & 0x7FFFu;
            expect(skipped % ring->step == 0u && (skipped == 0u || index + sum == 0u), "in order");
            next += skipped + ring->step;
        }
        sum += (uint32_t)count;
    } while (count > 0u);
    return sum;
}

static void test_ring(void)
{
    static volatile uint16_t values[RING];
    atoll_samples_ring ring = {values, RING, 0, 0, 0};
    uint32_t come = 0, taken = 0;
    expect(run_converter(&ring, values, &come, 0) == 0u, "nothing before it is started");
    for (uint32_t step = 1; step < 4u; step++) {
        come = UINT32_MAX - 1000u; /* the count runs over */
        ring = (atoll_samples_ring){values, RING, come, step, 0};
        taken = 0;
        for (unsigned turn = 0; turn < 100u; turn++) {
            taken += run_converter(&ring, values, &come, turn);
        }
        expect(ring.lost == 0u && taken == 4950u / step, "all of what came in time");
        taken = run_converter(&ring, values, &come, 10000);
        expect(taken > 0u && taken <= RING / 2u / step + 1u, "the younger half of what did not");
        expect(ring.lost > 0u && come - ring.taken < step, "the rest is counted");
        expect((4950u + 10000u) / step == 4950u / step + taken + ring.lost ||
                   (4950u + 10000u) / step == 4950u / step + taken + ring.lost + 1u,
               "as lost, each once");
    }
}

int main(void)
{
    test_kept();
    test_identity();
    test_jitter();
    test_slices();
    test_slices_of_small_pages();
    test_numbers();
    test_ring();
    printf("{\"failed\": %d}\n", failed);
    return failed > 0;
}
