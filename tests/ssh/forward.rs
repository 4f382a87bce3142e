//! The API client goes over the node's connection, and checks the server's certificate.
