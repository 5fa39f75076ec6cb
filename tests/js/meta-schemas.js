// Prints the meta-schema of OpenRPC documents, and that of the JSON Schemas in them.
import schemas from '@json-schema-tools/meta-schema';
import openrpc from '@open-rpc/meta-schema';

console.log(JSON.stringify({ openrpc: openrpc.openrpcDocument, schemas: schemas.jsonSchema }));
