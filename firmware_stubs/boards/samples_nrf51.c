/* The ADC of the nRF51 on AIN4, pin 0 of the micro:bit's edge (reference manual, chapters 15, 18 and 31):
 * 10 bits, 0 to 1023, of the supply. TIMER1 paces it through the PPI, TIMER2 counts what it gives, and
 * an interrupt takes that into a ring: there is no DMA. An erase of flash stops the core for 21 ms; what
 * comes meanwhile is lost, and counted. Rates below 40 Hz never lose a sample to it. */
#include <stdbool.h>

#include "chip.h"
#include "cortexm.h"
#include "port.h"
#include "samples.h"

#define ADC(offset) ATOLL_REGISTER(0x40007000u + (offset))
#define ADC_START 0x40007000u
#define ADC_END 0x40007100u
#define PACE(offset) ATOLL_REGISTER(0x40009000u + (offset)) /* TIMER1 */
#define PACE_COMPARE0 0x40009140u
#define COUNT(offset) ATOLL_REGISTER(0x4000A000u + (offset)) /* TIMER2 */
#define COUNT_COUNT 0x4000A008u
#define PPI(offset) ATOLL_REGISTER(0x4001F000u + (offset))

/* Offsets: of timers, ... */
enum { START = 0x000, CAPTURE0 = 0x040, SHORTS = 0x200, MODE = 0x504, BITMODE = 0x508,
       PRESCALER = 0x510, CC0 = 0x540 };
/* ... of the ADC. */
enum { END = 0x100, INTENSET = 0x304, ENABLE = 0x500, CONFIG = 0x504, RESULT = 0x508 };

enum { RING = 64 };

/* In 1/256. A conversion takes 68 us, and the clock can be halved nine times. */
#define HERTZ_Q8_MIN (256u / 2u)
#define HERTZ_Q8_MAX (10000u * 256u)
#define PACE_HZ_Q8 (ATOLL_CHIP_HZ * 256u)

static volatile uint16_t ring[RING];
static volatile uint32_t head, lost; /* the interrupt's */
static uint32_t tail;
static uint16_t counted;

/* Conversions so far, as the counter of 16 bits has them. */
static uint16_t count_now(void)
{
    COUNT(CAPTURE0) = 1;
    return (uint16_t)COUNT(CC0);
}

void atoll_samples_interrupt(void)
{
    uint16_t before, value;
    ADC(END) = 0;
    do { /* one that ends meanwhile is the one that is taken */
        before = count_now();
        value = (uint16_t)ADC(RESULT);
    } while (before != count_now());
    lost += (uint16_t)(before - counted - 1u);
    counted = before;
    if (head - tail < (uint32_t)RING) {
        ring[head % RING] = value;
        head++;
    } else {
        lost++;
    }
}

/* 16 bits of a clock that is halved until a period fits. */
static void start_pace(uint32_t hertz_q8)
{
    uint32_t prescaler = 0, ticks = PACE_HZ_Q8 / hertz_q8;
    for (; ticks > 65535u; prescaler++) {
        ticks /= 2u;
    }
    PACE(BITMODE) = 0;
    PACE(PRESCALER) = prescaler;
    PACE(CC0) = ticks;
    PACE(SHORTS) = 1; /* clear at compare */
}

void atoll_samples_start(float rate_hz)
{
    uint32_t hertz_q8 = (uint32_t)(rate_hz * 256.0f);
    if (hertz_q8 - HERTZ_Q8_MIN > HERTZ_Q8_MAX - HERTZ_Q8_MIN) {
        return;
    }
    ADC(CONFIG) = 16u << 8 | 3u << 5 | 2u << 2 | 2u; /* AIN4 and its reference by 3, of the supply */
    ADC(ENABLE) = 1;
    ADC(INTENSET) = 1;
    COUNT(MODE) = 1;
    COUNT(BITMODE) = 0;
    COUNT(START) = 1;
    PPI(0x510) = PACE_COMPARE0; /* channel 0: a period begins a conversion */
    PPI(0x514) = ADC_START;
    PPI(0x518) = ADC_END; /* channel 1: its end is counted */
    PPI(0x51C) = COUNT_COUNT;
    PPI(0x504) = 3;
    start_pace(hertz_q8);
    atoll_nvic_enable(ATOLL_CHIP_SAMPLES_IRQ);
    PACE(START) = 1;
}

size_t atoll_samples_take(int16_t *to, size_t count)
{
    size_t found = 0;
    while (found < count && tail != head) {
        to[found++] = (int16_t)ring[tail % RING];
        tail++;
    }
    return found;
}

uint32_t atoll_samples_lost(void)
{
    return lost;
}
