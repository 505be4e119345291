// Prints the version of OpenAPI of which a file is a valid description.
import { readFileSync } from 'fs';
import { Validator } from '@seriousme/openapi-schema-validator';

const validator = new Validator();
const { valid, errors } = await validator.validate(JSON.parse(readFileSync(process.argv[2], 'utf8')));
if (!valid) throw new Error(JSON.stringify(errors, null, 1));
console.log(validator.version);
