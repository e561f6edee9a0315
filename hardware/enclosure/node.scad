// An outdoor box for one node: the board in a dry box, the BME280 in a louvred shield that hangs below it, every opening faces down.
// Our own drawing. Units: mm. Render one part at a time: part = "box", "lid", "stem", "shield" or "all" (to look at).
//   openscad -D 'part="box"' -o box.stl node.scad

part = "all"; // [all, box, lid, stem, shield]

/* [Board] */
board_length = 56;      // an ESP32-DevKitC V4 is about 55 x 28; measure yours, the ESP32-S3-DevKitC-1 is longer (64)
board_width = 29;
board_stack = 22;       // board, header, plugs of jumper wires above it
standoff = 5;           // room for solder joints below

/* [Box] */
wall = 2.4;             // six lines of a 0.4 mm nozzle
floor_thickness = 2.4;
clearance = 4;          // around the board
cable_room = 24;        // below the board, for the bend of the cables
corner = 5;

/* [Lid] */
lid_thickness = 3;
seal_groove = 2.2;      // for a 2 mm silicone cord, pressed to 1.6 by the lid
seal_depth = 1.6;
eave = 6;               // the lid reaches over the box's upper edge like a roof
screw_hole = 2.6;       // a self-tapping M3
screw_clear = 3.4;
screw_post = 8.5;

/* [Openings, all in the bottom face] */
gland_hole = 12.6;      // PG7
vent_hole = 12.2;       // M12 x 1.5 vent plug: pressure out, water not in
sensor_hole = 8;        // the BME280's four wires, sealed with silicone afterwards
opening_pitch = 18;     // from middle to middle: nuts and a spanner need room
stem_length = 45;       // between box and shield: the gland's cable bends away in it
stem_diameter = 14;

/* [Radiation shield] */
plate_count = 5;
plate_diameter = 64;
plate_gap = 8;
plate_slope = 9;        // how far a plate's rim hangs down: rain runs off, wind goes through
plate_thickness = 1.8;
shield_bore = 26;       // the BME280 breakout hangs in it

/* [Hidden] */
$fn = 64;
inner_width = max(board_width + 2 * clearance, 3 * opening_pitch + 4);
inner_height = board_length + 2 * clearance + cable_room;
inner_depth = standoff + 1.6 + board_stack;
outer_width = inner_width + 2 * wall + 2 * screw_post;
outer_height = inner_height + 2 * wall;
outer_depth = inner_depth + floor_thickness;

assert(plate_diameter > shield_bore + 12, "plates must be wider than the bore");
assert(opening_pitch > gland_hole / 2 + sensor_hole / 2 + 5, "gland and sensor wires are too close for the gland's nut");
assert(inner_depth > gland_hole + 8, "the bottom face is too flat for the gland's nut");

module rounded(width, height, depth, radius) {
    linear_extrude(depth) offset(r = radius) offset(delta = -radius) square([width, height]);
}

module screw_places() {
    for (x = [screw_post / 2 + 1, outer_width - screw_post / 2 - 1], y = [screw_post / 2 + 2, outer_height - screw_post / 2 - 2])
        translate([x, y, 0]) children();
}

module seal_path(width) {
    inset = wall + screw_post - seal_groove - 0.8;
    difference() {
        translate([inset, wall - seal_groove / 2 - 0.1, 0])
            square([outer_width - 2 * inset, outer_height - 2 * wall + seal_groove + 0.2]);
        translate([inset + width, wall - seal_groove / 2 - 0.1 + width, 0])
            square([outer_width - 2 * inset - 2 * width, outer_height - 2 * wall + seal_groove + 0.2 - 2 * width]);
    }
}

// The wall has the posts for the screws left and right of the room, so no screw leads inside.
module box() {
    difference() {
        rounded(outer_width, outer_height, outer_depth, corner);
        translate([wall + screw_post, wall, floor_thickness])
            cube([inner_width, inner_height, inner_depth + 1]);
        screw_places() translate([0, 0, outer_depth - 12]) cylinder(d = screw_hole, h = 13);
        bottom_openings();
        // Two screws of the wall mount lead through the posts' solid flanks, not into the room.
        for (y = [outer_height * 0.35, outer_height * 0.65], x = [screw_post / 2 + 1, outer_width - screw_post / 2 - 1])
            translate([x, y, -1]) cylinder(d = 4.5, h = outer_depth + 2);
    }
    board_rails();
}

module bottom_openings() {
    middle = floor_thickness + inner_depth / 2;
    for (place = [[-1, gland_hole], [0, sensor_hole], [1, vent_hole]])
        translate([outer_width / 2 + place[0] * opening_pitch, wall + 1, middle]) rotate([90, 0, 0]) cylinder(d = place[1], h = wall + 2);
}

// Two rails: the board lies on them, its header pins hang between; a drop of silicone or a cable tie holds it.
module board_rails() {
    left = (outer_width - board_width) / 2;
    for (x = [0, board_width - 4])
        translate([left + x, wall + cable_room + clearance, floor_thickness - 0.01]) cube([4, board_length, standoff]);
    for (y = [-2.4, board_length])
        translate([left, wall + cable_room + clearance + y, floor_thickness - 0.01]) cube([board_width, 2, standoff + 3]);
}

module lid() {
    difference() {
        union() {
            rounded(outer_width, outer_height, lid_thickness, corner);
            // The eave: a drip edge above the upper rim, hanging down over the joint.
            translate([0, outer_height - 0.01, 0]) cube([outer_width, eave, lid_thickness]);
            translate([0, outer_height + eave - 2, -8]) cube([outer_width, 2, 8 + lid_thickness]);
        }
        translate([0, 0, -1]) screw_places() cylinder(d = screw_clear, h = lid_thickness + 2);
        translate([0, 0, -0.01]) linear_extrude(seal_depth) seal_path(seal_groove);
    }
}

module shield_plate(top) {
    difference() {
        cylinder(d1 = plate_diameter, d2 = plate_diameter - 2 * plate_slope, h = plate_slope);
        translate([0, 0, -plate_thickness])
            cylinder(d1 = plate_diameter, d2 = plate_diameter - 2 * plate_slope, h = plate_slope);
        if (!top) translate([0, 0, -1]) cylinder(d = shield_bore, h = plate_slope + 2);
        if (top) translate([0, 0, -1]) cylinder(d = sensor_hole, h = plate_slope + 2);
    }
}

// A tube with a flange at both ends: glued under the sensor hole and onto the shield's topmost plate.
module stem() {
    difference() {
        union() {
            cylinder(d = stem_diameter, h = stem_length);
            for (z = [0, stem_length - 2]) translate([0, 0, z]) cylinder(d = stem_diameter + 6, h = 2);
        }
        translate([0, 0, -1]) cylinder(d = sensor_hole, h = stem_length + 2);
    }
}

// Plates over each other on three bars; the topmost is closed but for the wires.
module shield() {
    for (i = [0 : plate_count - 1]) translate([0, 0, i * plate_gap]) shield_plate(i == plate_count - 1);
    for (a = [0, 120, 240])
        rotate(a) translate([shield_bore / 2 + 1.6, -1.5, plate_slope - plate_thickness - 0.5]) cube([3, 3, plate_gap * (plate_count - 1) + 0.6]);
}

if (part == "box" || part == "all") box();
if (part == "lid") translate([0, 0, lid_thickness]) mirror([0, 0, 1]) lid();
if (part == "all") translate([0, 0, outer_depth + 15]) lid();
if (part == "shield") shield();
if (part == "stem") stem();
if (part == "all") translate([outer_width / 2, 0, floor_thickness + inner_depth / 2]) rotate([90, 0, 0]) {
    stem();
    translate([0, 0, stem_length + plate_gap * (plate_count - 1) + plate_slope]) mirror([0, 0, 1]) shield();
}
