// For `npm run test:linux`: boots of a minute each, one after the other.
export default { files: ['dist/test/linux/**/*.test.js'], require: ['./dist/test/rig/seed.js'], timeout: '600s' };
