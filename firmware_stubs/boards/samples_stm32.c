/* ADC1 of the STM32F405 on PC0, A0 of the Netduino (RM0090, chapters 10, 13 and 18): 12 bits, 0 to
 * 4095. TIM3 paces it, the DMA moves what it gives into a ring, and TIM2 counts the paces, so that no
 * sample is late, or lost unseen, while the core does something else. */
#include "chip.h"
#include "cortexm.h"
#include "samples.h"
#include "samples_ring.h"

#define AHB1ENR ATOLL_REGISTER(0x40023830u)
#define APB1ENR ATOLL_REGISTER(0x40023840u)
#define APB2ENR ATOLL_REGISTER(0x40023844u)
#define GPIOC_MODER ATOLL_REGISTER(0x40020800u)
#define TIM2(offset) ATOLL_REGISTER(0x40000000u + (offset))
#define TIM3(offset) ATOLL_REGISTER(0x40000400u + (offset))
#define ADC(offset) ATOLL_REGISTER(0x40012000u + (offset))
#define ADC_COMMON ATOLL_REGISTER(0x40012304u)
#define DMA_STREAM(offset) ATOLL_REGISTER(0x40026410u + (offset)) /* controller 2, stream 0 */

/* Offsets: of timers, ... */
enum { CR1 = 0x00, CR2 = 0x04, SMCR = 0x08, EGR = 0x14, CNT = 0x24, PSC = 0x28, ARR = 0x2C };
/* ... of the ADC, ... */
enum { ADC_CR2 = 0x08, SMPR1 = 0x0C, SQR1 = 0x2C, SQR3 = 0x34, DR = 0x4C };
/* ... and of a stream of the DMA. */
enum { STREAM_CR = 0x0, NDTR = 0x4, PAR = 0x8, M0AR = 0xC };

enum { RING = 2048, CHANNEL = 10, TICKS_MAX = 65536 };

#define TIMER_HZ (ATOLL_CHIP_HZ / 2u) /* of timers behind APB1, which runs at a quarter */

static volatile uint16_t values[RING];
static atoll_samples_ring ring = {values, RING, 0, 0, 0};

static void start_dma(void)
{
    DMA_STREAM(PAR) = 0x40012000u + DR;
    DMA_STREAM(M0AR) = (uint32_t)(uintptr_t)values;
    DMA_STREAM(NDTR) = RING;
    DMA_STREAM(STREAM_CR) = 1u << 13 | 1u << 11 | 1u << 10 | 1u << 8; /* halfwords, a ring in memory */
    DMA_STREAM(STREAM_CR) |= 1u;
}

static void start_adc(void)
{
    ADC_COMMON = 1u << 16; /* 21 MHz */
    ADC(SMPR1) = 4u;       /* 84 of its clocks to sample channel 10, 5 us in all */
    ADC(SQR1) = 0;         /* one channel */
    ADC(SQR3) = CHANNEL;
    /* At each update of TIM3; a request to the DMA for each, on and on. */
    ADC(ADC_CR2) = 1u << 28 | 8u << 24 | 1u << 9 | 1u << 8 | 1u;
}

static void start_timers(float rate_hz)
{
    float ticks = (float)TIMER_HZ / rate_hz;
    uint32_t scale = (uint32_t)(ticks / (float)TICKS_MAX) + 1u;
    TIM2(SMCR) = 2u << 4 | 7u; /* counts the updates of TIM3 */
    TIM2(ARR) = 0xFFFFFFFFu;
    TIM2(CR1) = 1;
    TIM3(PSC) = scale - 1u;
    TIM3(ARR) = (uint32_t)(ticks / (float)scale + 0.5f) - 1u;
    TIM3(EGR) = 1; /* takes the prescaler over */
    TIM3(CR2) = 2u << 4; /* an update is what others see of it */
    TIM3(CR1) = 1;
}

void atoll_samples_start(float rate_hz)
{
    if (rate_hz < 0.5f || rate_hz > 100000.0f) {
        return;
    }
    AHB1ENR |= 1u << 22 | 1u << 2; /* the DMA, port C */
    APB1ENR |= 3u;                 /* TIM2, TIM3 */
    APB2ENR |= 1u << 8;            /* ADC1 */
    GPIOC_MODER |= 3u;             /* PC0 is analog */
    start_dma();
    start_adc();
    start_timers(rate_hz);
    ring.step = 1;
}

size_t atoll_samples_take(int16_t *to, size_t count)
{
    uint32_t begun = TIM2(CNT); /* the newest may be under way */
    return atoll_samples_ring_take(&ring, begun > 0u ? begun - 1u : 0u, to, count);
}

uint32_t atoll_samples_lost(void)
{
    return ring.lost;
}
