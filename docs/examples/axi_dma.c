/* Samples by Xilinx's AXI DMA, in direct register mode: one transfer for many samples. */
#include "digits_design.h"

#define DMA 0x40400000u     /* where the system has the DMA */
#define MACHINE 0x43c00000u /* and the machine */

/* Registers of the DMA's channel from memory to stream (its product guide, PG021). */
enum { MM2S_CONTROL = 0x00, MM2S_STATUS = 0x04, MM2S_ADDRESS = 0x18, MM2S_LENGTH = 0x28 };

static const struct popflip_bus bus = POPFLIP_BUS_AT(MACHINE, 1000000);

static volatile uint32_t *dma(uint32_t offset)
{
    return (volatile uint32_t *)(uintptr_t)(DMA + offset);
}

int open_machine(struct popflip *device, const uint8_t *network, size_t bytes)
{
    int result = popflip_open_bus(device, &digits_design, &bus);
    return result ? result : popflip_load(device, network, bytes);
}

/* Learn from samples that lie one behind the other, in memory that the caches hold nothing of. */
int learn(struct popflip *device, uint32_t samples, uint32_t count)
{
    int result = popflip_begin(device, POPFLIP_TRAIN | POPFLIP_FLUSH, 0, count);
    if (result)
        return result;
    *dma(MM2S_CONTROL) = 1; /* run */
    *dma(MM2S_ADDRESS) = samples;
    *dma(MM2S_LENGTH) = count * digits_design.sample_bytes; /* and go */
    return popflip_wait(device);
}
