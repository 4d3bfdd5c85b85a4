/* Clocks and pins of the Pico (RP2040 data sheet, chapters 2.14 to 2.19): from its 12 MHz crystal
 * 125 MHz for the core, 48 MHz for the ADC, and a tick of a microsecond for timer and watchdog. */
#include "cortexm.h"
#include "port.h"

#define RESETS(offset) ATOLL_REGISTER(0x4000C000u + (offset))
#define CLOCKS(offset) ATOLL_REGISTER(0x40008000u + (offset))
#define XOSC(offset) ATOLL_REGISTER(0x40024000u + (offset))
#define PLL_SYS 0x40028000u
#define PLL_USB 0x4002C000u
#define WATCHDOG_TICK ATOLL_REGISTER(0x4005802Cu)
#define PIN_CONTROL(pin) ATOLL_REGISTER(0x40014004u + 8u * (pin))
#define PIN_PAD(pin) ATOLL_REGISTER(0x4001C004u + 4u * (pin))

enum {
    TRIES = 100000, /* some ten milliseconds: a chip without its crystal is reset by nobody yet */
    ADC = 1 << 0,
    DMA = 1 << 2,
    IO = 1 << 5,
    PADS = 1 << 8,
    BOTH_PLLS = 3 << 12,
    TIMER = 1 << 21,
    UART0 = 1 << 22,
    ALL = ADC | DMA | IO | PADS | BOTH_PLLS | TIMER | UART0,
    FUNCTION_UART = 2,
    ADC_PIN = 26,
    PAD_OFF = 1 << 7 /* output disabled, input too, no pull: analogue */
};

static void await(uint32_t address, uint32_t bits)
{
    for (uint32_t tries = 0; tries < TRIES && (ATOLL_REGISTER(address) & bits) != bits; tries++) {
    }
}

/* The crystal's 12 MHz by `feedback`, divided twice (chapter 2.18.2). */
static void start_pll(uint32_t pll, uint32_t feedback, uint32_t first, uint32_t second)
{
    ATOLL_REGISTER(pll + 0x0u) = 1;
    ATOLL_REGISTER(pll + 0x8u) = feedback;
    ATOLL_REGISTER(pll + 0x4u) = 1u << 3 | 1u << 2; /* all but the dividers' power */
    await(pll, 1u << 31);
    ATOLL_REGISTER(pll + 0xCu) = first << 16 | second << 12;
    ATOLL_REGISTER(pll + 0x4u) = 1u << 2;
}

static void start_clocks(void)
{
    XOSC(0xC) = 47;                     /* a millisecond to settle, in 256 periods */
    XOSC(0x0) = 0xFABu << 12 | 0xAA0u;  /* on; up to 15 MHz */
    await(0x40024004u, 1u << 31);
    CLOCKS(0x3C) = 0;                   /* the core leaves the PLL that is set up now */
    await(0x40008044u, 1u);
    start_pll(PLL_SYS, 125, 6, 2);      /* 1500 MHz / 12 */
    start_pll(PLL_USB, 100, 5, 5);      /* 1200 MHz / 25 */
    CLOCKS(0x34) = 1u << 8;
    CLOCKS(0x30) = 2;                   /* reference: the crystal */
    await(0x40008038u, 1u << 2);
    CLOCKS(0x40) = 1u << 8;
    CLOCKS(0x3C) = 1;                   /* core: the PLL */
    await(0x40008044u, 1u << 1);
    CLOCKS(0x48) = 1u << 11;            /* peripherals: as the core */
    CLOCKS(0x64) = 1u << 8;
    CLOCKS(0x60) = 1u << 11;            /* ADC: the other PLL */
    WATCHDOG_TICK = 1u << 9 | 12u;
}

void atoll_clock_start(void)
{
    RESETS(0x0) &= ~(uint32_t)ALL;
    await(0x4000C008u, ALL);
    start_clocks();
    PIN_CONTROL(0u) = FUNCTION_UART;
    PIN_CONTROL(1u) = FUNCTION_UART;
    PIN_PAD((uint32_t)ADC_PIN) = PAD_OFF;
}
