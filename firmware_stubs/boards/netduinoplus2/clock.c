/* Clocks and pins of the STM32F405 (RM0090, chapters 3, 7 and 8): 25 MHz crystal, PLL to 168 MHz,
 * USART1 on PA9 and PA10. */
#include "cortexm.h"
#include "port.h"

#define RCC(offset) ATOLL_REGISTER(0x40023800u + (offset))
#define CR RCC(0x00)
#define PLLCFGR RCC(0x04)
#define CFGR RCC(0x08)
#define AHB1ENR RCC(0x30)
#define APB2ENR RCC(0x44)
#define FLASH_ACR ATOLL_REGISTER(0x40023C00u)
#define GPIOA(offset) ATOLL_REGISTER(0x40020000u + (offset))

/* QEMU has no clock control: nothing ever gets ready there, and the clock is right already. */
enum { TRIES = 20000 };

static void await(uint32_t bit)
{
    for (uint32_t tries = 0; tries < TRIES && (CR & bit) == 0u; tries++) {
    }
}

void atoll_clock_start(void)
{
    CR |= 1u << 16; /* the crystal */
    await(1u << 17);
    PLLCFGR = 25u | 336u << 6 | 0u << 16 | 1u << 22 | 7u << 24;
    CR |= 1u << 24;
    await(1u << 25);
    FLASH_ACR = 5u | 7u << 8;        /* wait states of 168 MHz; caches */
    CFGR = 5u << 10 | 4u << 13 | 2u; /* APB1 by 4, APB2 by 2, from the PLL */
    AHB1ENR |= 1u;
    APB2ENR |= 1u << 4;
    GPIOA(0x00) = (GPIOA(0x00) & ~(0xFu << 18)) | 0xAu << 18;
    GPIOA(0x24) = (GPIOA(0x24) & ~(0xFFu << 4)) | 0x77u << 4;
}
