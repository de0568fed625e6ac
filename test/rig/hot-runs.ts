/** Runs after which blocks become regions in tests: few, so that programs of some thousand instructions run in both tiers. */
export const TEST_HOT_RUNS = 400;
