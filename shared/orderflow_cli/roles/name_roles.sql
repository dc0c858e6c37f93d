-- The roles to be made, each with what its password is checked by, for the statements that follow
-- in this transaction: those about roles take no parameters.
SELECT set_config('orderflow.roles', :roles, true);
