package clients

const insideVariable = "ROOMREEL_CLIENTS_INSIDE"
