# Compiles the firmware, in a folder beside LiteX's libraries. POPFLIP is the folder of `popflip
# verilog`.
include ../include/generated/variables.mak
include $(SOC_DIRECTORY)/software/common.mak

HERE := $(dir $(firstword $(MAKEFILE_LIST)))
# For speed: LiteX compiles for size.
CFLAGS += -O2 -I$(POPFLIP) -DPOPFLIP_PAYLOAD=32 -ffunction-sections -fdata-sections
OBJECTS := crt0.o main.o popflip.o
VPATH := $(HERE) $(POPFLIP) $(CPU_DIRECTORY)

all: firmware.bin

firmware.bin: firmware.elf
	$(OBJCOPY) -O binary $< $@

firmware.elf: $(OBJECTS)
	$(CC) $(LDFLAGS) -T $(SOC_DIRECTORY)/software/bios/linker.ld -N -Wl,--gc-sections -o $@ \
		$(OBJECTS) $(PACKAGES:%=-L../%) -Wl,--start-group $(LIBS:lib%=-l%) -Wl,--end-group

%.o: %.c
	$(compile)

%.o: %.S
	$(assemble)

.PHONY: all
