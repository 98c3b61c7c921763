// npm run build: compiles everything, whether or not anything changed.
import { build, checkNode, root } from './setup.mjs';

process.chdir(root);
checkNode();
build();
