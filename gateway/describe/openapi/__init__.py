"""The REST interface as an OpenAPI 3.1 document, made from the schemas.

`document` writes the paths, `shapes` the JSON Schema of every type, `texts` the parameters of queries and paths,
`answers` what operations may be answered with, `security` who may ask, `examples` an example of each body.
"""

from gateway.describe.openapi.document import openapi_document
from gateway.describe.openapi.security import security_of

__all__ = ["openapi_document", "security_of"]
