// How a call of the seam went; the numbers are those of src/js/seam.rs.
export const NOTHING = 0;
export const DONE = 1;
export const THREW = 2;
export const PENDING = 3;
export const DONE_WITH_MORE = 4;
export const STRANGE = 5;
export const THREW_UNKNOWN = 6;

// What a check or a write is of, in any combination.
export const META = 1;
export const PUT = 2;
export const AS_READ = 4;
export const LAST = 8;
