/** Everything instead of a sample. */
export const FULL = process.env['WAYBILL_TEST_SCALE'] === 'full' || Boolean(process.env['CI']);
