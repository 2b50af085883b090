// Cells of GW5A that yosys knows only by their ports, as far as netlists of popflip use them.
// A mode that is not here is a module that does not exist: whoever reads the netlist says so.
//
// What nobody vouches for reads as the complement of the word: what the other port writes in the
// same cycle, and what is read while RESET is up (yosys's issue 6163). A netlist that relies on
// either does not learn what golden learns.

// The content of a block RAM at the start, in which UNIT bits follow each other where it has 9.
`define CONTENT(UNIT) \
  parameter [32*UNIT-1:0] \
    INIT_RAM_00 = 0, INIT_RAM_01 = 0, INIT_RAM_02 = 0, INIT_RAM_03 = 0, INIT_RAM_04 = 0, \
    INIT_RAM_05 = 0, INIT_RAM_06 = 0, INIT_RAM_07 = 0, INIT_RAM_08 = 0, INIT_RAM_09 = 0, \
    INIT_RAM_0A = 0, INIT_RAM_0B = 0, INIT_RAM_0C = 0, INIT_RAM_0D = 0, INIT_RAM_0E = 0, \
    INIT_RAM_0F = 0, INIT_RAM_10 = 0, INIT_RAM_11 = 0, INIT_RAM_12 = 0, INIT_RAM_13 = 0, \
    INIT_RAM_14 = 0, INIT_RAM_15 = 0, INIT_RAM_16 = 0, INIT_RAM_17 = 0, INIT_RAM_18 = 0, \
    INIT_RAM_19 = 0, INIT_RAM_1A = 0, INIT_RAM_1B = 0, INIT_RAM_1C = 0, INIT_RAM_1D = 0, \
    INIT_RAM_1E = 0, INIT_RAM_1F = 0, INIT_RAM_20 = 0, INIT_RAM_21 = 0, INIT_RAM_22 = 0, \
    INIT_RAM_23 = 0, INIT_RAM_24 = 0, INIT_RAM_25 = 0, INIT_RAM_26 = 0, INIT_RAM_27 = 0, \
    INIT_RAM_28 = 0, INIT_RAM_29 = 0, INIT_RAM_2A = 0, INIT_RAM_2B = 0, INIT_RAM_2C = 0, \
    INIT_RAM_2D = 0, INIT_RAM_2E = 0, INIT_RAM_2F = 0, INIT_RAM_30 = 0, INIT_RAM_31 = 0, \
    INIT_RAM_32 = 0, INIT_RAM_33 = 0, INIT_RAM_34 = 0, INIT_RAM_35 = 0, INIT_RAM_36 = 0, \
    INIT_RAM_37 = 0, INIT_RAM_38 = 0, INIT_RAM_39 = 0, INIT_RAM_3A = 0, INIT_RAM_3B = 0, \
    INIT_RAM_3C = 0, INIT_RAM_3D = 0, INIT_RAM_3E = 0, INIT_RAM_3F = 0; \
  localparam [64*32*UNIT-1:0] INIT = { \
    INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, INIT_RAM_3B, INIT_RAM_3A, INIT_RAM_39, \
    INIT_RAM_38, INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, INIT_RAM_33, INIT_RAM_32, \
    INIT_RAM_31, INIT_RAM_30, INIT_RAM_2F, INIT_RAM_2E, INIT_RAM_2D, INIT_RAM_2C, INIT_RAM_2B, \
    INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28, INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, \
    INIT_RAM_23, INIT_RAM_22, INIT_RAM_21, INIT_RAM_20, INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, \
    INIT_RAM_1C, INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18, INIT_RAM_17, INIT_RAM_16, \
    INIT_RAM_15, INIT_RAM_14, INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10, INIT_RAM_0F, \
    INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, INIT_RAM_0B, INIT_RAM_0A, INIT_RAM_09, INIT_RAM_08, \
    INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, \
    INIT_RAM_00 \
  }; \
  reg [35:0] memory [0:511]; \
  integer i; \
  initial \
    for (i = 0; i < 512; i = i + 1) \
      memory[i] = INIT[UNIT * (4 * i + 3) +: UNIT] << 27 | INIT[UNIT * (4 * i + 2) +: UNIT] << 18 \
        | INIT[UNIT * (4 * i + 1) +: UNIT] << 9 | INIT[UNIT * 4 * i +: UNIT];

// A block RAM of 18 kbit: 512 words of 36 bits, in which narrower ports see parts of 18, 9, 4, 2 or
// 1 bit. Of the last three, each ninth bit of a word belongs to none. Yosys takes SP, SDPB and DPB
// for those only, and names the width of each.
module SP (
  output [31:0] DO, input [31:0] DI, input [2:0] BLKSEL, input [13:0] AD,
  input WRE, CLK, CE, OCE, RESET
);
  parameter READ_MODE = 1'b0;
  parameter WRITE_MODE = 2'b00;
  parameter BIT_WIDTH = 4;
  parameter BLK_SEL = 3'b000;
  parameter RESET_MODE = "SYNC";
  `CONTENT(8)
  generate
    if (READ_MODE != 0 || BLK_SEL != 0 || WRITE_MODE > 1 || BIT_WIDTH > 4)
      SP_without_a_model_of_its_mode unknown();
  endgenerate

  wire [35:0] mask, into, reach, read;
  GW5A_port #(.WIDTH(BIT_WIDTH), .WRITE_MODE(WRITE_MODE)) a (
    .clock(CLK), .enable(CE), .write(WRE), .reset(RESET), .address(AD), .data(DI),
    .word(memory[AD[13:5]]), .collides(1'b0),
    .mask(mask), .into(into), .reach(reach), .read(read)
  );
  assign DO = read;
  always @(posedge CLK)
    if (CE && WRE) memory[AD[13:5]] <= (memory[AD[13:5]] & ~mask) | (into & mask);
endmodule

module SPX9 (
  output [35:0] DO, input [35:0] DI, input [2:0] BLKSEL, input [13:0] AD,
  input WRE, CLK, CE, OCE, RESET
);
  parameter READ_MODE = 1'b0;
  parameter WRITE_MODE = 2'b00;
  parameter BIT_WIDTH = 36;
  parameter BLK_SEL = 3'b000;
  parameter RESET_MODE = "SYNC";
  `CONTENT(9)
  generate
    if (READ_MODE != 0 || BLK_SEL != 0 || WRITE_MODE > 1 || BIT_WIDTH < 9)
      SPX9_without_a_model_of_its_mode unknown();
  endgenerate

  wire [35:0] mask, into, reach, read;
  GW5A_port #(.WIDTH(BIT_WIDTH), .WRITE_MODE(WRITE_MODE)) a (
    .clock(CLK), .enable(CE), .write(WRE), .reset(RESET), .address(AD), .data(DI),
    .word(memory[AD[13:5]]), .collides(1'b0),
    .mask(mask), .into(into), .reach(reach), .read(read)
  );
  assign DO = read;
  always @(posedge CLK)
    if (CE && WRE) memory[AD[13:5]] <= (memory[AD[13:5]] & ~mask) | (into & mask);
endmodule

module SDPB (
  input CLKA, CEA, CLKB, CEB, OCE, RESET, input [13:0] ADA, ADB, input [31:0] DI,
  input [2:0] BLKSELA, BLKSELB, output [31:0] DO
);
  parameter READ_MODE = 1'b0;
  parameter BIT_WIDTH_0 = 4;
  parameter BIT_WIDTH_1 = 4;
  parameter BLK_SEL_0 = 3'b000;
  parameter BLK_SEL_1 = 3'b000;
  parameter RESET_MODE = "SYNC";
  `CONTENT(8)
  generate
    if (READ_MODE != 0 || BLK_SEL_0 != 0 || BLK_SEL_1 != 0
        || BIT_WIDTH_0 > 4 || BIT_WIDTH_1 > 4)
      SDPB_without_a_model_of_its_mode unknown();
  endgenerate

  wire [35:0] mask, into, read, reach, unread, unwritten, nowhere, anywhere;
  GW5A_port #(.WIDTH(BIT_WIDTH_0)) a (
    .clock(CLKA), .enable(CEA), .write(1'b1), .reset(1'b0), .address(ADA), .data(DI),
    .word(36'd0), .collides(1'b0), .mask(mask), .into(into), .reach(anywhere), .read(unread)
  );
  GW5A_port #(.WIDTH(BIT_WIDTH_1)) b (
    .clock(CLKB), .enable(CEB), .write(1'b0), .reset(RESET), .address(ADB), .data(36'd0),
    .word(memory[ADB[13:5]]), .collides(CEA && ADA[13:5] == ADB[13:5] && |(mask & reach)),
    .mask(nowhere), .into(unwritten), .reach(reach), .read(read)
  );
  assign DO = read;
  always @(posedge CLKA)
    if (CEA) memory[ADA[13:5]] <= (memory[ADA[13:5]] & ~mask) | (into & mask);
endmodule

module SDPX9B (
  input CLKA, CEA, CLKB, CEB, OCE, RESET, input [13:0] ADA, ADB, input [35:0] DI,
  input [2:0] BLKSELA, BLKSELB, output [35:0] DO
);
  parameter READ_MODE = 1'b0;
  parameter BIT_WIDTH_0 = 36;
  parameter BIT_WIDTH_1 = 36;
  parameter BLK_SEL_0 = 3'b000;
  parameter BLK_SEL_1 = 3'b000;
  parameter RESET_MODE = "SYNC";
  `CONTENT(9)
  generate
    if (READ_MODE != 0 || BLK_SEL_0 != 0 || BLK_SEL_1 != 0
        || BIT_WIDTH_0 < 9 || BIT_WIDTH_1 < 9)
      SDPX9B_without_a_model_of_its_mode unknown();
  endgenerate

  wire [35:0] mask, into, read, reach, unread, unwritten, nowhere, anywhere;
  GW5A_port #(.WIDTH(BIT_WIDTH_0)) a (
    .clock(CLKA), .enable(CEA), .write(1'b1), .reset(1'b0), .address(ADA), .data(DI),
    .word(36'd0), .collides(1'b0), .mask(mask), .into(into), .reach(anywhere), .read(unread)
  );
  GW5A_port #(.WIDTH(BIT_WIDTH_1)) b (
    .clock(CLKB), .enable(CEB), .write(1'b0), .reset(RESET), .address(ADB), .data(36'd0),
    .word(memory[ADB[13:5]]), .collides(CEA && ADA[13:5] == ADB[13:5] && |(mask & reach)),
    .mask(nowhere), .into(unwritten), .reach(reach), .read(read)
  );
  assign DO = read;
  always @(posedge CLKA)
    if (CEA) memory[ADA[13:5]] <= (memory[ADA[13:5]] & ~mask) | (into & mask);
endmodule

module DPB (
  input CLKA, CEA, CLKB, CEB, OCEA, OCEB, RESETA, RESETB, WREA, WREB, input [13:0] ADA, ADB,
  input [15:0] DIA, DIB, input [2:0] BLKSELA, BLKSELB, output [15:0] DOA, DOB
);
  parameter READ_MODE0 = 1'b0;
  parameter READ_MODE1 = 1'b0;
  parameter WRITE_MODE0 = 2'b00;
  parameter WRITE_MODE1 = 2'b00;
  parameter BIT_WIDTH_0 = 4;
  parameter BIT_WIDTH_1 = 4;
  parameter BLK_SEL_0 = 3'b000;
  parameter BLK_SEL_1 = 3'b000;
  parameter RESET_MODE = "SYNC";
  `CONTENT(8)
  generate
    if (READ_MODE0 != 0 || READ_MODE1 != 0 || BLK_SEL_0 != 0 || BLK_SEL_1 != 0
        || WRITE_MODE0 > 1 || WRITE_MODE1 > 1 || BIT_WIDTH_0 > 4 || BIT_WIDTH_1 > 4)
      DPB_without_a_model_of_its_mode unknown();
  endgenerate

  wire [35:0] mask_a, mask_b, into_a, into_b, reach_a, reach_b, read_a, read_b;
  wire same = ADA[13:5] == ADB[13:5];
  GW5A_port #(.WIDTH(BIT_WIDTH_0), .WRITE_MODE(WRITE_MODE0)) a (
    .clock(CLKA), .enable(CEA), .write(WREA), .reset(RESETA), .address(ADA), .data(DIA),
    .word(memory[ADA[13:5]]), .collides(same && CEB && WREB && |(mask_b & reach_a)),
    .mask(mask_a), .into(into_a), .reach(reach_a), .read(read_a)
  );
  GW5A_port #(.WIDTH(BIT_WIDTH_1), .WRITE_MODE(WRITE_MODE1)) b (
    .clock(CLKB), .enable(CEB), .write(WREB), .reset(RESETB), .address(ADB), .data(DIB),
    .word(memory[ADB[13:5]]), .collides(same && CEA && WREA && |(mask_a & reach_b)),
    .mask(mask_b), .into(into_b), .reach(reach_b), .read(read_b)
  );
  assign DOA = read_a;
  assign DOB = read_b;
  always @(posedge CLKA)
    if (CEA && WREA) memory[ADA[13:5]] <= (memory[ADA[13:5]] & ~mask_a) | (into_a & mask_a);
  always @(posedge CLKB)
    if (CEB && WREB) memory[ADB[13:5]] <= (memory[ADB[13:5]] & ~mask_b) | (into_b & mask_b);
endmodule

module DPX9B (
  input CLKA, CEA, CLKB, CEB, OCEA, OCEB, RESETA, RESETB, WREA, WREB, input [13:0] ADA, ADB,
  input [17:0] DIA, DIB, input [2:0] BLKSELA, BLKSELB, output [17:0] DOA, DOB
);
  parameter READ_MODE0 = 1'b0;
  parameter READ_MODE1 = 1'b0;
  parameter WRITE_MODE0 = 2'b00;
  parameter WRITE_MODE1 = 2'b00;
  parameter BIT_WIDTH_0 = 18;
  parameter BIT_WIDTH_1 = 18;
  parameter BLK_SEL_0 = 3'b000;
  parameter BLK_SEL_1 = 3'b000;
  parameter RESET_MODE = "SYNC";
  `CONTENT(9)
  generate
    if (READ_MODE0 != 0 || READ_MODE1 != 0 || BLK_SEL_0 != 0 || BLK_SEL_1 != 0
        || WRITE_MODE0 > 1 || WRITE_MODE1 > 1 || BIT_WIDTH_0 < 9 || BIT_WIDTH_1 < 9)
      DPX9B_without_a_model_of_its_mode unknown();
  endgenerate

  wire [35:0] mask_a, mask_b, into_a, into_b, reach_a, reach_b, read_a, read_b;
  wire same = ADA[13:5] == ADB[13:5];
  GW5A_port #(.WIDTH(BIT_WIDTH_0), .WRITE_MODE(WRITE_MODE0)) a (
    .clock(CLKA), .enable(CEA), .write(WREA), .reset(RESETA), .address(ADA), .data(DIA),
    .word(memory[ADA[13:5]]), .collides(same && CEB && WREB && |(mask_b & reach_a)),
    .mask(mask_a), .into(into_a), .reach(reach_a), .read(read_a)
  );
  GW5A_port #(.WIDTH(BIT_WIDTH_1), .WRITE_MODE(WRITE_MODE1)) b (
    .clock(CLKB), .enable(CEB), .write(WREB), .reset(RESETB), .address(ADB), .data(DIB),
    .word(memory[ADB[13:5]]), .collides(same && CEA && WREA && |(mask_a & reach_b)),
    .mask(mask_b), .into(into_b), .reach(reach_b), .read(read_b)
  );
  assign DOA = read_a;
  assign DOB = read_b;
  always @(posedge CLKA)
    if (CEA && WREA) memory[ADA[13:5]] <= (memory[ADA[13:5]] & ~mask_a) | (into_a & mask_a);
  always @(posedge CLKB)
    if (CEB && WREB) memory[ADB[13:5]] <= (memory[ADB[13:5]] & ~mask_b) | (into_b & mask_b);
endmodule

// One port: which bits of a word it reaches and writes, and what it has read. While it writes,
// mode 0 keeps what it has read, and mode 1 shows what is written.
module GW5A_port #(parameter WIDTH = 18, parameter WRITE_MODE = 0) (
  input clock, enable, write, reset, collides, input [13:0] address, input [35:0] data, word,
  output [35:0] mask, into, reach, output reg [35:0] read = 36'd0
);
  // In the two widest ports the lowest address bits are enables of 9 bits each.
  wire [5:0] place =
    WIDTH == 36 ? 0 :
    WIDTH == 18 ? 18 * address[4] :
    9 * address[4:3] + (
      WIDTH == 9 ? 0 :
      WIDTH == 4 ? 4 * address[2] :
      WIDTH == 2 ? 2 * address[2:1] :
                   address[2:0]
    );
  wire [35:0] bytes = {{9{address[3]}}, {9{address[2]}}, {9{address[1]}}, {9{address[0]}}};
  wire [35:0] part = (36'd1 << WIDTH) - 36'd1;
  assign reach = part << place;
  assign mask = WIDTH >= 18 ? (bytes & part) << place : reach;
  assign into = data << place;
  wire [35:0] known = write ? data : word >> place;
  always @(posedge clock)
    if (enable && !(write && WRITE_MODE == 0))
      read <= ((collides || reset) ? ~known : known) & part;
endmodule

// A pin that is never let go of.
module TBUF (input I, OEN, output O);
  assign O = I;
endmodule

// A PLL as a wire.
module PLLA (
  input CLKIN, CLKFB, RESET, PLLPWD, RESET_I, RESET_O, PSDIR, PSPULSE, SSCPOL, SSCON, MDCLK, MDAINC,
  input [2:0] PSSEL, SSCMDSEL_FRAC, input [6:0] SSCMDSEL, input [1:0] MDOPC, input [7:0] MDWDI,
  output [7:0] MDRDO, output LOCK, CLKOUT0, CLKOUT1, CLKOUT2, CLKOUT3, CLKOUT4, CLKOUT5, CLKOUT6,
  output CLKFBOUT
);
  parameter FCLKIN = "100.0";
  parameter CLKFB_SEL = "INTERNAL";
  parameter IDIV_SEL = 1, FBDIV_SEL = 1, MDIV_SEL = 8;
  parameter ODIV0_SEL = 8, ODIV1_SEL = 8, ODIV2_SEL = 8, ODIV3_SEL = 8, ODIV4_SEL = 8;
  parameter ODIV5_SEL = 8, ODIV6_SEL = 8;
  parameter CLKOUT0_EN = "TRUE", CLKOUT1_EN = "FALSE", CLKOUT2_EN = "FALSE", CLKOUT3_EN = "FALSE";
  parameter CLKOUT4_EN = "FALSE", CLKOUT5_EN = "FALSE", CLKOUT6_EN = "FALSE";
  assign CLKOUT0 = CLKIN;
  assign LOCK = 1'b1;
endmodule
