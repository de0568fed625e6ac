export default {
  files: ['dist/test/{unit,property,interleave,guests,e2e}/**/*.test.js'],
  snapshotDir: 'test/snapshots',
  concurrency: 2,
  timeout: '120s',
};
