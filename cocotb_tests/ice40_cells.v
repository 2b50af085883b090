// Cells of iCE40 for which yosys has no model, or none that it can flatten itself.

// A memory of 16,384 words of 16 bits with a mask of 4 bits each. What it reads while it writes,
// or stands by, means nothing, as in the model of yosys, which also forgets all without power.
module SB_SPRAM256KA (
  input [13:0] ADDRESS, input [15:0] DATAIN, input [3:0] MASKWREN,
  input WREN, CHIPSELECT, CLOCK, STANDBY, SLEEP, POWEROFF, output reg [15:0] DATAOUT
);
  reg [15:0] memory [0:16383];
  wire [15:0] mask = {{4{MASKWREN[3]}}, {4{MASKWREN[2]}}, {4{MASKWREN[1]}}, {4{MASKWREN[0]}}};
  wire awake = POWEROFF && !SLEEP && !STANDBY && CHIPSELECT;  // POWEROFF is low for off
  always @(posedge CLOCK) begin
    if (awake && WREN)
      memory[ADDRESS] <= (memory[ADDRESS] & ~mask) | (DATAIN & mask);
    if (SLEEP || !POWEROFF)
      DATAOUT <= 16'd0;
    else if (awake && !WREN)
      DATAOUT <= memory[ADDRESS];
    else if (STANDBY || awake)
      DATAOUT <= 16'bx;
  end
endmodule

// PLLs as wires.
module SB_PLL40_CORE (
  input REFERENCECLK, RESETB, BYPASS, input [7:0] DYNAMICDELAY, input LATCHINPUTVALUE, EXTFEEDBACK,
  input SDI, SCLK, output SDO, PLLOUTCORE, PLLOUTGLOBAL, LOCK
);
  parameter FEEDBACK_PATH = "SIMPLE";
  parameter DIVR = 4'd0;
  parameter DIVF = 7'd0;
  parameter DIVQ = 3'd0;
  parameter FILTER_RANGE = 3'd0;
  assign PLLOUTCORE = REFERENCECLK;
  assign PLLOUTGLOBAL = REFERENCECLK;
  assign LOCK = 1'b1;
endmodule

module SB_PLL40_PAD (
  input PACKAGEPIN, RESETB, BYPASS, input [7:0] DYNAMICDELAY, input LATCHINPUTVALUE, EXTFEEDBACK,
  input SDI, SCLK, output SDO, PLLOUTCORE, PLLOUTGLOBAL, LOCK
);
  parameter FEEDBACK_PATH = "SIMPLE";
  parameter DIVR = 4'd0;
  parameter DIVF = 7'd0;
  parameter DIVQ = 3'd0;
  parameter FILTER_RANGE = 3'd0;
  assign PLLOUTCORE = PACKAGEPIN;
  assign PLLOUTGLOBAL = PACKAGEPIN;
  assign LOCK = 1'b1;
endmodule
