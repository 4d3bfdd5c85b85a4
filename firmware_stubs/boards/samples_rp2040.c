/* The ADC of the RP2040 on GPIO 26 (data sheet, chapters 4.9 and 2.5): 12 bits, 0 to 4095. Its clock
 * paces it, and the DMA moves what it gives into a ring, so that no sample is late or lost while flash
 * is programmed. Below 733 Hz it converts a multiple of the rate, and one in so many is taken. */
#include "chip.h"
#include "cortexm.h"
#include "samples.h"
#include "samples_ring.h"

#define ADC(offset) ATOLL_REGISTER(0x4004C000u + (offset))
#define CONTROL ADC(0x0)
#define FIFO_CONTROL ADC(0x8)
#define FIFO 0x4004C00Cu
#define DIVIDER ADC(0x10)
#define DMA(offset) ATOLL_REGISTER(0x50000000u + (offset)) /* channel 0 */
#define READ_FROM DMA(0x0)
#define WRITE_TO DMA(0x4)
#define LEFT DMA(0x8)
#define START DMA(0xC)

enum {
    RING_BITS = 12, /* of its bytes: 2,048 samples, a fifth of a second at 10 kHz */
    RING = 1 << (RING_BITS - 1),
    READY = 1 << 8,
    TRIES = 100000,
    DREQ_ADC = 36
};

#define ADC_HZ 48000000u
#define ALL 0xFFFFFFFFu
#define DIVIDER_MAX 0xFFFF00u

static volatile uint16_t values[RING] __attribute__((aligned(2 * RING)));
static atoll_samples_ring ring = {values, RING, 0, 0, 0};

static void start_dma(void)
{
    READ_FROM = FIFO;
    WRITE_TO = (uint32_t)(uintptr_t)values;
    LEFT = ALL;
    START = (uint32_t)DREQ_ADC << 15 | 1u << 10 | (uint32_t)RING_BITS << 6 | 1u << 5 | 1u << 2 | 1u;
}

/* In 1/256 of the ADC's clock; what the register holds is one clock less. */
static uint32_t divider(uint64_t hertz_q8)
{
    uint64_t clocks_q8 = ((uint64_t)ADC_HZ << 16) / hertz_q8;
    return clocks_q8 > 256u ? (uint32_t)(clocks_q8 - 256u) : 0u;
}

void atoll_samples_start(float rate_hz)
{
    uint32_t hertz_q8 = (uint32_t)(rate_hz * 256.0f);
    if (hertz_q8 == 0u) {
        return;
    }
    CONTROL = 1;
    for (uint32_t tries = 0; tries < TRIES && (CONTROL & READY) == 0u; tries++) {
    }
    for (ring.step = 1; divider((uint64_t)hertz_q8 * ring.step) > DIVIDER_MAX; ring.step++) {
    }
    DIVIDER = divider((uint64_t)hertz_q8 * ring.step);
    FIFO_CONTROL = 1u << 24 | 1u << 3 | 1u; /* a request for each result */
    start_dma();
    CONTROL = 1u << 3 | 1u; /* channel 0, again and again */
}

size_t atoll_samples_take(int16_t *to, size_t count)
{
    uint32_t come = ALL - LEFT;
    size_t found = atoll_samples_ring_take(&ring, come, to, count);
    if (ring.step > 0u && come == ALL && found == 0u) { /* some days later: the DMA is at its end */
        ring.taken = 0;
        ring.lost++;
        start_dma();
    }
    return found;
}

uint32_t atoll_samples_lost(void)
{
    return ring.lost;
}
