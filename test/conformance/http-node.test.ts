import t from 'tap';
import { conformance } from './http.ts';

conformance(t, 'node', false);
