export { runPage } from './run-page.js';
